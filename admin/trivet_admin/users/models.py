"""The user of every room."""

from django.contrib.auth.models import AbstractUser
from django.db import models

from trivet_admin.generic import AnyField


class User(AbstractUser):
    """Somebody who may log in. Groups and permissions are Django's."""

    email: AnyField = models.EmailField(
        "email address",
        unique=True,
        error_messages={"unique": "A user with that email address already exists."},
    )

    class Meta(AbstractUser.Meta):
        db_table = "accounts_user"
