"""The roof for `trivet.testing`: the whole application, its command line and users.

Registered as an entry point in pyproject.toml; only tests load it.
"""

import sys
from collections.abc import Sequence
from contextvars import copy_context
from typing import Any

from trivet.asgi.root import Root
from trivet_deploy.asgi import create_app
from trivet_deploy.user_commands import create_user
from trivet_settings import Settings


class RoomsComposition:
    """The three rooms as `trivet serve` puts them together."""

    def create_app(self, settings: Settings) -> Root:
        return create_app(settings)

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "trivet_deploy.cli", *arguments]

    def create_user(
        self,
        username: str,
        password: str,
        *,
        permissions: Sequence[str],
        groups: Sequence[str],
        is_staff: bool,
        is_superuser: bool,
    ) -> int:
        def create() -> int:
            from django.contrib.auth.models import Group
            from django.db import transaction

            with transaction.atomic():
                user = create_user(
                    username,
                    f"{username}@example.org",
                    password,
                    is_staff=is_staff,
                    is_superuser=is_superuser,
                )
                user.user_permissions.set([_permission(name) for name in permissions])
                user.groups.set([Group.objects.get_or_create(name=name)[0] for name in groups])
            return int(user.pk)

        # In a context of its own, for the command says where its changes come from.
        return copy_context().run(create)

    def disconnect(self) -> None:
        from django.db import connection, connections

        connections.close_all()
        if hasattr(connection, "close_pool"):
            connection.close_pool()


def _permission(name: str) -> Any:
    from django.contrib.auth.models import Permission

    app, _, codename = name.partition(".")
    found = Permission.objects.filter(content_type__app_label=app, codename=codename).first()
    if found is None:
        raise LookupError(f"No model has the permission {name!r}; `trivet routes` lists those.")
    return found
