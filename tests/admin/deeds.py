"""What is done to users, groups and permissions in Django, and who somebody then is."""

from typing import Any

from tests.admin.house import Visitor

COOKIE = "trivet_session"


def _users() -> Any:
    from django.contrib.auth import get_user_model

    return get_user_model().objects


def _group() -> Any:
    from django.contrib.auth.models import Group

    return Group.objects.get(name="keepers")


def _permission(codename: str) -> Any:
    from django.contrib.auth.models import Permission

    return Permission.objects.get(codename=codename)


def make_keepers() -> None:
    """A group of which clerk is a member, and which may delete items."""
    from django.contrib.auth.models import Group

    group: Any = Group.objects.create(name="keepers")
    group.user_set.add(_users().get(username="clerk"))
    group.permissions.add(_permission("delete_item"))


def disable_in_bulk() -> None:
    _users().filter(username="clerk").update(is_active=False)


def _promote() -> None:
    clerk = _users().get(username="clerk")
    clerk.is_superuser = True
    clerk.save()


def rename() -> None:
    _users().filter(username="clerk").update(first_name="Clara")


DEEDS: dict[str, Any] = {
    "a permission given": lambda: (
        _users().get(username="clerk").user_permissions.add(_permission("add_item"))
    ),
    # Lambdas, because each looks up what it changes only when it is called.
    "permissions taken": lambda: _users().get(username="clerk").user_permissions.clear(),  # noqa: PLW0108
    "a permission taken from everybody": lambda: _permission("view_item").user_set.clear(),  # noqa: PLW0108
    "a group left": lambda: _group().user_set.clear(),  # noqa: PLW0108
    "a group gains": lambda: _group().permissions.add(_permission("add_item")),
    "a group loses": lambda: _group().permissions.clear(),  # noqa: PLW0108
    "a permission leaves its groups": lambda: _permission("delete_item").group_set.clear(),  # noqa: PLW0108
    "a group deleted": lambda: _group().delete(),
    "a permission deleted": lambda: _permission("delete_item").delete(),
    "promoted": _promote,
    "renamed": rename,
}


def with_connections(work: Any) -> None:
    from django.db import connections

    try:
        work()
    finally:
        connections.close_all()


async def me(visitor: Visitor, **headers: str) -> dict[str, Any]:
    found: dict[str, Any] = (await visitor.http.get("/door/me", headers=headers)).json()
    return found
