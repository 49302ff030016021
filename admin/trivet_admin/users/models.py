"""The user of every room."""

from django.contrib.auth.models import AbstractUser
from django.db import models

from trivet.identity import system
from trivet.identity.grants import grant_as
from trivet_admin.generic import AnyField

_REHASHING = system("rehashing")


class User(AbstractUser):
    """Somebody who may log in. Groups and permissions are Django's."""

    email: AnyField = models.EmailField(
        "email address",
        unique=True,
        error_messages={"unique": "A user with that email address already exists."},
    )

    class Meta(AbstractUser.Meta):
        db_table = "accounts_user"

    def check_password(self, raw_password: str | None) -> bool:
        # Django replaces the hash here if an older hasher made it. The password stays the same and
        # the caller knows it, so nothing is granted, no matter who is logged in.
        with grant_as(_REHASHING):
            return super().check_password(raw_password)

    async def acheck_password(self, raw_password: str | None) -> bool:
        with grant_as(_REHASHING):
            return await super().acheck_password(raw_password)
