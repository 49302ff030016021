"""The user of every room."""

from typing import Any, ClassVar

from django.contrib.auth.models import AbstractUser, UserManager
from django.db import models
from django.db.transaction import atomic

from trivet_admin.generic import AnyField


class UserQuerySet(models.QuerySet):  # type: ignore[type-arg]  # not generic at run time
    """Users, whose changes in bulk end trust as single ones do: Django sends no signals for
    them. `bulk_update` comes down to `update`."""

    def update(self, **values: Any) -> int:
        from trivet_admin.users import revoking

        with atomic():
            changed = list(self.order_by("pk").values_list("pk", flat=True))
            count = super().update(**values)
            revoking.users_changed(changed, set(values))
        return count

    update.alters_data = True  # type: ignore[attr-defined]  # Django's mark for templates


_Base: Any = UserManager.from_queryset(UserQuerySet)


class Users(_Base):  # type: ignore[misc]  # made by Django at run time
    """The manager of users."""

    use_in_migrations = False


class User(AbstractUser):
    """Somebody who may log in. Groups and permissions are Django's."""

    email: AnyField = models.EmailField(
        "email address",
        unique=True,
        error_messages={"unique": "A user with that email address already exists."},
    )

    objects: ClassVar[Any] = Users()

    class Meta(AbstractUser.Meta):
        db_table = "accounts_user"
