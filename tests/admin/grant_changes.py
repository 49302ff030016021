"""What is done to users, groups and permissions in Django, and who somebody then is."""

from collections.abc import Callable
from typing import Any, TypeVar

from tests.admin.house import Visitor

T = TypeVar("T")

COOKIE = "trivet_session"


def users() -> Any:
    from django.contrib.auth import get_user_model

    return get_user_model().objects


def groups() -> Any:
    from django.contrib.auth.models import Group

    return Group.objects


def _memberships() -> Any:
    return users().model.groups.through.objects


def _own_permissions() -> Any:
    return users().model.user_permissions.through.objects


def _permissions_of_groups() -> Any:
    return groups().model.permissions.through.objects


def clerk() -> Any:
    return users().get(username="clerk")


def _group(name: str = "keepers") -> Any:
    return groups().get(name=name)


def _permissions() -> Any:
    from django.contrib.auth.models import Permission

    return Permission.objects


def _content_type_of_users() -> Any:
    from django.contrib.contenttypes.models import ContentType

    return ContentType.objects.get_for_model(users().model)


def permission(codename: str) -> Any:
    from django.contrib.auth.models import Permission

    return Permission.objects.get(codename=codename)


def make_keepers() -> None:
    """A group of which clerk is a member, and which may delete items; and one of nobody's,
    which may add them."""
    for name, codename in (("keepers", "delete_item"), ("buyers", "add_item")):
        groups().create(name=name).permissions.add(permission(codename))
    _group().user_set.add(clerk())


def disable_in_bulk() -> None:
    users().filter(username="clerk").update(is_active=False)


def _promote() -> None:
    user = clerk()
    user.is_superuser = True
    user.save()


def rename() -> None:
    users().filter(username="clerk").update(first_name="Clara")


def _rename_the_member() -> None:
    from django.db.models import Count

    chosen = users().annotate(joined=Count("groups")).filter(joined__gt=0).distinct()
    assert chosen.update(first_name="Clara") == 1


def _rename_a_permission() -> None:
    renamed = permission("view_item")
    renamed.codename = "gaze_item"
    renamed.save()


def _rename_by_bulk_update() -> None:
    user = clerk()
    user.first_name = "Clara"
    users().bulk_update([user], ["first_name"])


def _insert(rows: Any, **values: Any) -> None:
    rows.bulk_create([rows.model(**values)])


# Lambdas, because each looks up what it changes only when it is called.
GRANT_CHANGES: dict[str, Any] = {
    "a permission given": lambda: clerk().user_permissions.add(permission("add_item")),
    "permissions taken": lambda: clerk().user_permissions.clear(),  # noqa: PLW0108
    "a permission taken from everybody": lambda: permission("view_item").user_set.clear(),  # noqa: PLW0108
    "a group joined": lambda: clerk().groups.add(_group("buyers")),
    "a group left": lambda: _group().user_set.clear(),  # noqa: PLW0108
    "a group gains": lambda: _group().permissions.add(permission("add_item")),
    "a group loses": lambda: _group().permissions.clear(),  # noqa: PLW0108
    "a permission leaves its groups": lambda: permission("delete_item").group_set.clear(),  # noqa: PLW0108
    "a group deleted": lambda: _group().delete(),
    "a permission deleted": lambda: permission("view_item").delete(),
    "a permission held by a group deleted": lambda: permission("delete_item").delete(),
    "a permission renamed": _rename_a_permission,
    "a permission held by a group renamed in bulk": lambda: (
        _permissions().filter(codename="delete_item").update(codename="drop_item")
    ),
    "a permission moved to another content type": lambda: (
        _permissions().filter(codename="view_item").update(content_type=_content_type_of_users())
    ),
    "promoted": _promote,
    "renamed": rename,
    "renamed in what is chosen once": lambda: (
        users().filter(username="clerk").distinct().update(first_name="Clara")
    ),
    "renamed in what an aggregate chose": _rename_the_member,
    "renamed by bulk_update": _rename_by_bulk_update,
    "groups deleted in bulk": lambda: groups().all().delete(),
    "permissions deleted in bulk": lambda: (
        type(permission("add_item")).objects.filter(content_type__app_label="stock").delete()
    ),
    "memberships inserted": lambda: _insert(_memberships(), user=clerk(), group=_group("buyers")),
    "memberships inserted by keys in text": lambda: _insert(
        _memberships(), user_id=str(clerk().pk), group_id=str(_group("buyers").pk)
    ),
    "a membership created by keys in text": lambda: _memberships().create(
        user_id=str(clerk().pk), group_id=str(_group("buyers").pk)
    ),
    "memberships moved": lambda: _memberships().update(group=_group("buyers")),
    "memberships deleted": lambda: _memberships().filter(group__name="keepers").delete(),
    "own permissions inserted": lambda: _insert(
        _own_permissions(), user=clerk(), permission=permission("add_item")
    ),
    "own permissions exchanged": lambda: (
        _own_permissions()
        .filter(permission__codename="view_item")
        .update(permission=permission("add_item"))
    ),
    "own permissions deleted": lambda: _own_permissions().all().delete(),
    "permissions of groups inserted": lambda: _insert(
        _permissions_of_groups(), group=_group(), permission=permission("add_item")
    ),
    "a permission of a group created by keys in text": lambda: _permissions_of_groups().create(
        group_id=str(_group().pk), permission_id=str(permission("add_item").pk)
    ),
    "permissions of groups moved": lambda: (
        _permissions_of_groups()
        .filter(permission__codename="add_item")
        .update(group=_group("keepers"))
    ),
    "permissions of groups deleted": lambda: _permissions_of_groups().all().delete(),
}


def with_connections(work: Callable[[], T]) -> T:
    from django.db import connections

    try:
        return work()
    finally:
        connections.close_all()


async def me(visitor: Visitor, **headers: str) -> dict[str, Any]:
    found: dict[str, Any] = (await visitor.http.get("/door/me", headers=headers)).json()
    return found
