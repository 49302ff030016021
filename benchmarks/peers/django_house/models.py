"""The tables as Django's ORM maps them; another owns them."""

from datetime import datetime

from django.db import models


class User(models.Model):
    username: "models.CharField[str, str]" = models.CharField(max_length=150)
    is_active: "models.BooleanField[bool, bool]" = models.BooleanField()

    class Meta:
        managed = False
        db_table = "accounts_user"


class ApiKey(models.Model):
    prefix: "models.CharField[str, str]" = models.CharField(max_length=16, unique=True)
    digest: "models.CharField[str, str]" = models.CharField(max_length=64)
    owner: "models.ForeignKey[User, User]" = models.ForeignKey(User, models.CASCADE)
    expires_at: "models.DateTimeField[datetime | None, datetime | None]" = models.DateTimeField(
        null=True
    )
    revoked_at: "models.DateTimeField[datetime | None, datetime | None]" = models.DateTimeField(
        null=True
    )

    class Meta:
        managed = False
        db_table = "trivet_api_key"


class Parcel(models.Model):
    id: "models.BigAutoField[int, int]" = models.BigAutoField(primary_key=True)
    label: "models.CharField[str, str]" = models.CharField(max_length=80)
    depot: "models.CharField[str, str]" = models.CharField(max_length=20)
    grams: "models.IntegerField[int, int]" = models.IntegerField()
    fragile: "models.BooleanField[bool, bool]" = models.BooleanField()

    class Meta:
        managed = False
        db_table = "parcels_parcel"
