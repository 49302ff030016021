"""The user of every room."""

from collections.abc import Iterable
from typing import Any, ClassVar

from django.contrib.auth.models import AbstractUser, UserManager
from django.db import NotSupportedError, models
from django.db.transaction import atomic

from trivet_admin.generic import AnyField


class UserQuerySet(models.QuerySet):  # type: ignore[type-arg]  # not generic at run time
    """Users, whose changes in bulk end trust and are audited as single ones do and are: Django
    sends no signals for them. `bulk_update` comes down to `update`."""

    def update(self, **values: Any) -> int:
        from trivet_admin.users import auditing, revoking

        with atomic():
            before = auditing.read_rows(self.model, self)
            count = super().update(**values)
            revoking.users_changed(before, set(values))
            auditing.note_updated(self.model, before)
        return count

    update.alters_data = True  # type: ignore[attr-defined]  # Django's mark for templates

    def bulk_create(  # type: ignore[override]  # what it refuses, it need not name
        self, objs: Iterable[Any], batch_size: int | None = None, **options: Any
    ) -> list[Any]:
        """Raises NotSupportedError for conflicts that are to be passed over: who then was
        created, and who was changed, nobody could say."""
        from trivet_admin.users import auditing

        if any(options.values()):
            raise NotSupportedError(
                "users are created in bulk without ignore_conflicts and update_conflicts, for "
                "the audit trail has to know what became of each; save them one by one"
            )
        with atomic():
            created = super().bulk_create(objs, batch_size)
            auditing.note_created(created)
        return created

    bulk_create.alters_data = True  # type: ignore[attr-defined]  # as above


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
