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
        # Django stores the hash anew here if it was made by an older hasher: the same password,
        # known to who asks, so nothing is given, whoever is logged in so far.
        with grant_as(_REHASHING):
            return super().check_password(raw_password)

    async def acheck_password(self, raw_password: str | None) -> bool:
        with grant_as(_REHASHING):
            return await super().acheck_password(raw_password)
