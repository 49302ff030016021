"""Who may give what: people, what they hold, and each attempt with what it needs.

What an attempt needs is written here by hand, beside it. The expected outcome for somebody is
computed from that and from what they hold, for every combination.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from tests.admin.grant_changes import groups, permission, users

VIEW, DELETE = "stock.view_item", "stock.delete_item"
CHANGE_USER = "accounts.change_user"
USERS = frozenset(f"accounts.{verb}_user" for verb in ("add", "change", "delete", "view"))
GROUPS = frozenset(f"auth.{verb}_group" for verb in ("add", "change", "delete", "view"))
KEYS = frozenset(f"trivet.{verb}_apikey" for verb in ("add", "change", "delete", "view"))
MANAGER = USERS | GROUPS | {VIEW}
LATER = datetime.now(UTC) + timedelta(days=30)


@dataclass(frozen=True)
class Needs:
    """What an attempt needs of whoever makes it: being a superuser, or staff, or permissions."""

    permissions: frozenset[str] = frozenset()
    staff: bool = False
    superuser: bool = False

    def are_met_by(self, actor: "Actor") -> bool:
        if actor.superuser:
            return True
        is_staff = actor.staff or not self.staff
        return not self.superuser and is_staff and self.permissions <= actor.holds


def needs(*permissions: str, staff: bool = False) -> Needs:
    return Needs(frozenset(permissions), staff=staff)


NOTHING = needs()
SUPERUSER = Needs(superuser=True)
STAFF = needs(staff=True)


@dataclass(frozen=True)
class Actor:
    """Somebody who tries. With `scopes` or `is_key` they come with an API key of `username`."""

    username: str
    holds: frozenset[str] = frozenset()
    staff: bool = True
    superuser: bool = False
    is_key: bool = False
    scopes: frozenset[str] | None = None


ACTORS = {
    "superuser": Actor("boss", superuser=True),
    "manager of users": Actor("manager", MANAGER),
    "manager of users and keys": Actor("registrar", MANAGER | KEYS),
    "staff with change_user": Actor("changer", frozenset({CHANGE_USER})),
    "staff with change_group": Actor("grouper", frozenset({"auth.change_group"})),
    "staff with keys": Actor("keeper", KEYS),
    "plain staff": Actor("usher"),
    "no staff": Actor("guest", staff=False),
    "nobody": Actor("", staff=False),
    "whole key of the superuser": Actor("boss", superuser=True, is_key=True),
    "scoped key of the superuser": Actor(
        "boss",
        frozenset({CHANGE_USER, VIEW}),
        staff=False,
        is_key=True,
        scopes=frozenset({CHANGE_USER, VIEW}),
    ),
    "whole key of the manager": Actor("manager", MANAGER, is_key=True),
    "scoped key of the manager": Actor(
        "manager",
        frozenset({CHANGE_USER}),
        staff=False,
        is_key=True,
        scopes=frozenset({CHANGE_USER}),
    ),
}
STAFF_ACTORS = {name: each for name, each in ACTORS.items() if each.staff and not each.is_key}


def make_people(make_person: Callable[..., Any]) -> None:
    """Everybody of `ACTORS` who is not there, and those to whom things are done."""
    for actor in ACTORS.values():
        if actor.username and not users().filter(username=actor.username).exists():
            person = make_person(actor.username, is_staff=True)
            person.user_permissions.set(permissions(*actor.holds))
    for name, held in (("viewers", [VIEW]), ("removers", [DELETE]), ("empty", []), ("club", [])):
        groups().create(name=name).permissions.set(permissions(*held))
    make_person("weak").user_permissions.set(permissions(VIEW))
    strong = make_person("strong")
    strong.user_permissions.set(permissions(VIEW))
    strong.groups.add(groups().get(name="removers"))
    make_person("dormant", is_active=False).user_permissions.set(permissions(DELETE))
    make_person("helper", is_staff=True)
    chief = make_person("chief", is_staff=True, is_superuser=True)
    chief.groups.add(groups().get(name="club"))
    make_person("captain", is_superuser=True)  # who is in no group, and has no key


def permissions(*names: str) -> list[Any]:
    return [permission(name.partition(".")[2]) for name in names]


# --- users, groups and permissions, by Django's ORM


def _user(name: str) -> Any:
    return users().get(username=name)


def _group(name: str) -> Any:
    return groups().get(name=name)


def _save(name: str, column: str, value: Any) -> None:
    user = _user(name)
    setattr(user, column, value)
    user.save()


def _update(name: str, column: str, value: Any) -> None:
    users().filter(username=name).update(**{column: value})


def _bulk_update(name: str, column: str, value: Any) -> None:
    user = _user(name)
    setattr(user, column, value)
    users().bulk_update([user], [column])


def _create(**flags: bool) -> None:
    users().create(username="new", email="new@example.org", **flags)


def _create_in_bulk(**flags: bool) -> None:
    users().bulk_create([users().model(username="new", email="new@example.org", **flags)])


BOTH = needs(VIEW, DELETE)
COLUMNS: list[tuple[str, str, Any, Needs]] = [
    ("guest", "is_superuser", True, SUPERUSER),
    ("guest", "is_staff", True, STAFF),
    ("guest", "is_active", False, NOTHING),
    ("guest", "username", "renamed", NOTHING),
    ("guest", "email", "other@example.org", NOTHING),
    ("guest", "first_name", "Other", NOTHING),
    ("guest", "last_name", "Other", NOTHING),
    ("guest", "password", "!other", NOTHING),
    ("weak", "password", "!other", needs(VIEW)),
    ("weak", "email", "other@example.org", needs(VIEW)),
    ("strong", "username", "renamed", BOTH),
    ("strong", "email", "other@example.org", BOTH),
    ("strong", "password", "!other", BOTH),
    ("strong", "is_staff", True, Needs(BOTH.permissions, staff=True)),
    ("strong", "is_active", False, NOTHING),
    ("strong", "first_name", "Other", NOTHING),
    ("dormant", "is_active", True, needs(DELETE)),
    ("helper", "is_staff", False, STAFF),
    ("manager", "password", "!other", needs(*MANAGER)),
    ("manager", "is_superuser", True, SUPERUSER),
    ("changer", "is_superuser", True, SUPERUSER),
    ("chief", "is_superuser", False, SUPERUSER),
    ("chief", "is_staff", False, SUPERUSER),
    ("chief", "is_active", False, SUPERUSER),
    ("chief", "username", "renamed", SUPERUSER),
    ("chief", "email", "other@example.org", SUPERUSER),
    ("chief", "first_name", "Other", SUPERUSER),
    ("chief", "last_name", "Other", SUPERUSER),
    ("chief", "password", "!other", SUPERUSER),
]


@dataclass(frozen=True)
class Attempt:
    """Something to try. `by_proof` is what the code behind a reset link does for nobody."""

    work: Callable[[Session], Any]
    needs: Needs = NOTHING
    by_proof: bool = False

    def is_allowed_to(self, actor: Actor) -> bool:
        is_nobody = not actor.username
        return self.needs.are_met_by(actor) or (is_nobody and self.by_proof)


def _by_django(work: Callable[..., Any], *args: Any, **options: Any) -> Callable[[Session], Any]:
    return lambda _db: work(*args, **options)


def _column_attempts() -> Iterator[tuple[str, Attempt]]:
    for name, column, value, wanted in COLUMNS:
        for way in (_save, _update, _bulk_update):
            work = _by_django(way, name, column, value)
            by_proof = column in {"username", "email", "password", "is_active"}
            yield f"{way.__name__} {column}={value} of {name}", Attempt(work, wanted, by_proof)


def _memberships() -> Any:
    return users().model.groups.through.objects


def _own_permissions() -> Any:
    return users().model.user_permissions.through.objects


def _join(name: str, group: str) -> None:
    _user(name).groups.add(_group(group))


def _join_in_bulk(name: str, group: str) -> None:
    through = _memberships()
    through.bulk_create([through.model(user=_user(name), group=_group(group))])


def _swap_group(old: str, new: str) -> None:
    _memberships().filter(group__name=old).update(group=_group(new))


def _swap_permission() -> None:
    own = _own_permissions().filter(user__username="weak")
    own.update(permission=permission("delete_item"))


def _rename_permission() -> None:
    view = permission("view_item")
    view.codename = "peek_item"
    view.save()


def _content_types() -> Any:
    return type(permission("view_item").content_type).objects


DJANGO: dict[str, tuple[Callable[[], Any], Needs]] = {
    "a user created": (_create, NOTHING),
    "a superuser created": (lambda: _create(is_superuser=True), SUPERUSER),
    "staff created": (lambda: _create(is_staff=True), STAFF),
    "a superuser created in bulk": (lambda: _create_in_bulk(is_superuser=True), SUPERUSER),
    "everybody made superuser": (lambda: users().update(is_superuser=True), SUPERUSER),
    "a weaker group joined": (lambda: _join("guest", "viewers"), needs(VIEW)),
    "a stronger group joined": (lambda: _join("guest", "removers"), needs(DELETE)),
    "an empty group joined": (lambda: _join("guest", "empty"), NOTHING),
    "a stronger group joined in bulk": (lambda: _join_in_bulk("guest", "removers"), needs(DELETE)),
    "a stronger group gets a member": (
        lambda: _group("removers").user_set.add(_user("guest")),
        needs(DELETE),
    ),
    "a stronger group left": (lambda: _user("strong").groups.set([]), needs(DELETE)),
    "a membership moved to a weaker group": (
        lambda: _swap_group("removers", "viewers"),
        BOTH,
    ),
    "the manager joins a stronger group": (lambda: _join("manager", "removers"), needs(DELETE)),
    "a superuser joins a group": (lambda: _join("chief", "empty"), SUPERUSER),
    "a superuser leaves a group": (lambda: _user("chief").groups.set([]), SUPERUSER),
    "a permission given": (
        lambda: _user("guest").user_permissions.add(permission("view_item")),
        needs(VIEW),
    ),
    "another permission given": (
        lambda: _user("guest").user_permissions.set(permissions(VIEW, DELETE)),
        BOTH,
    ),
    "permissions taken": (lambda: _user("dormant").user_permissions.set([]), needs(DELETE)),
    "a permission exchanged": (_swap_permission, BOTH),
    "a permission given to a superuser": (
        lambda: _user("chief").user_permissions.add(permission("view_item")),
        SUPERUSER,
    ),
    "a group gets a permission": (
        lambda: _group("empty").permissions.add(permission("view_item")),
        needs(VIEW),
    ),
    "a group gets another permission": (
        lambda: permission("delete_item").group_set.add(_group("empty")),
        needs(DELETE),
    ),
    "a group loses its permissions": (
        lambda: _group("removers").permissions.set([]),
        needs(DELETE),
    ),
    "a group renamed": (lambda: groups().filter(name="removers").update(name="x"), NOTHING),
    "a group made": (lambda: groups().create(name="x"), NOTHING),
    "a stronger group deleted": (lambda: _group("removers").delete(), needs(DELETE)),
    "an empty group deleted": (lambda: _group("empty").delete(), NOTHING),
    "the group of a superuser deleted": (lambda: _group("club").delete(), SUPERUSER),
    "all groups deleted": (lambda: groups().all().delete(), SUPERUSER),
    "a user deleted": (lambda: _user("guest").delete(), NOTHING),
    "a weaker user deleted": (lambda: _user("weak").delete(), needs(VIEW)),
    "a stronger user deleted": (lambda: _user("strong").delete(), BOTH),
    "a superuser deleted": (lambda: _user("chief").delete(), SUPERUSER),
    "a superuser with nothing else deleted": (lambda: _user("captain").delete(), SUPERUSER),
    "a superuser deleted in bulk": (
        lambda: users().filter(username="chief").delete(),
        SUPERUSER,
    ),
    "a permission renamed": (_rename_permission, SUPERUSER),
    "a permission deleted": (lambda: permission("change_tag").delete(), SUPERUSER),
    "a content type renamed": (
        lambda: _content_types().filter(model="item").update(app_label="other"),
        SUPERUSER,
    ),
    "a content type deleted": (
        lambda: _content_types().filter(model="tag").delete(),
        SUPERUSER,
    ),
}

DJANGO_ATTEMPTS: dict[str, Attempt] = {
    **dict(_column_attempts()),
    **{name: Attempt(_by_django(work), wanted) for name, (work, wanted) in DJANGO.items()},
}
