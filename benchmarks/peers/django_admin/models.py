"""The tables as somebody writes them for Django."""

from datetime import datetime
from decimal import Decimal

from django.contrib.auth.models import AbstractUser
from django.db import models


class User(AbstractUser):
    class Meta(AbstractUser.Meta):
        managed = False
        db_table = "accounts_user"


class Author(models.Model):
    id: "models.BigIntegerField[int, int]" = models.BigAutoField(primary_key=True)
    name: "models.CharField[str, str]" = models.CharField(max_length=80)

    class Meta:
        managed = False
        db_table = "library_author"

    def __str__(self) -> str:
        return self.name


class Shelf(models.Model):
    code: "models.CharField[str, str]" = models.CharField(max_length=10, primary_key=True)
    room: "models.CharField[str, str]" = models.CharField(max_length=40)

    class Meta:
        managed = False
        db_table = "library_shelf"
        verbose_name_plural = "shelves"

    def __str__(self) -> str:
        return self.code


class Subject(models.Model):
    id: "models.BigIntegerField[int, int]" = models.BigAutoField(primary_key=True)
    name: "models.CharField[str, str]" = models.CharField(max_length=40)

    class Meta:
        managed = False
        db_table = "library_subject"

    def __str__(self) -> str:
        return self.name


class Book(models.Model):
    id: "models.BigIntegerField[int, int]" = models.BigAutoField(primary_key=True)
    title: "models.CharField[str, str]" = models.CharField(max_length=120)
    isbn: "models.CharField[str, str]" = models.CharField(max_length=13, unique=True)
    author: "models.ForeignKey[Author, Author]" = models.ForeignKey(Author, models.PROTECT)
    shelf: "models.ForeignKey[Shelf, Shelf]" = models.ForeignKey(
        Shelf, models.PROTECT, db_column="shelf_code"
    )
    pages: "models.IntegerField[int, int]" = models.IntegerField()
    price: "models.DecimalField[Decimal, Decimal]" = models.DecimalField(
        max_digits=8, decimal_places=2
    )
    lent_out: "models.BooleanField[bool, bool]" = models.BooleanField(default=False)
    added: "models.DateTimeField[datetime, datetime]" = models.DateTimeField()
    subjects: "models.ManyToManyField[Subject, Subject]" = models.ManyToManyField(
        Subject, through="BookSubject", blank=True
    )

    class Meta:
        managed = False
        db_table = "library_book"

    def __str__(self) -> str:
        return self.title


class BookSubject(models.Model):
    pk = models.CompositePrimaryKey("book", "subject")
    book: "models.ForeignKey[Book, Book]" = models.ForeignKey(Book, models.CASCADE)
    subject: "models.ForeignKey[Subject, Subject]" = models.ForeignKey(Subject, models.CASCADE)

    class Meta:
        managed = False
        db_table = "library_book_subjects"
        auto_created = Book  # the admin shows no other field over a table of its own


class Loan(models.Model):
    id: "models.BigIntegerField[int, int]" = models.BigAutoField(primary_key=True)
    reader: "models.CharField[str, str]" = models.CharField(max_length=60)
    since: "models.DateTimeField[datetime, datetime]" = models.DateTimeField()
    book: "models.ForeignKey[Book, Book]" = models.ForeignKey(Book, models.CASCADE)

    class Meta:
        managed = False
        db_table = "library_loan"

    def __str__(self) -> str:
        return self.reader
