"""Models with what models have: relations of each kind, inheritance, keys of their own."""

import uuid
from typing import Any

from django.conf import settings
from django.db import models
from django.urls import reverse
from django.utils import timezone


class Tag(models.Model):
    name: Any = models.CharField(max_length=30, unique=True)
    weight: Any = models.IntegerField(default=1)

    def __str__(self) -> str:
        return str(self.name)


class Question(models.Model):
    text: Any = models.CharField(max_length=200)
    opened_at: Any = models.DateTimeField(default=timezone.now)
    is_open: Any = models.BooleanField(default=True)
    author: Any = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL
    )
    tags: Any = models.ManyToManyField(Tag, blank=True)

    def __str__(self) -> str:
        return str(self.text)

    def get_absolute_url(self) -> str:
        return reverse("polls:detail", args=[self.pk])


class Survey(Question):
    """Of several tables: each has its own part of the row."""

    budget: Any = models.DecimalField(max_digits=8, decimal_places=2)


class Choice(models.Model):
    question: Any = models.ForeignKey(Question, on_delete=models.CASCADE, related_name="choices")
    text: Any = models.CharField(max_length=200)
    votes: Any = models.PositiveIntegerField(default=0)

    def __str__(self) -> str:
        return str(self.text)


class Token(models.Model):
    """Whose value is nobody's business, and whose key is made up."""

    id: Any = models.UUIDField(primary_key=True, default=uuid.uuid4)
    value: Any = models.CharField(max_length=40)
    password: Any = models.CharField(max_length=40, default="")


class Visit(models.Model):
    """Written by every request, and of no interest to an auditor."""

    path: Any = models.CharField(max_length=200)
