"""Nobody gives what they do not have: users, groups and permissions, judged at the statement.

Every write of Django's ORM passes the observers (`trivet_admin.users.observers`), so this holds
for a form, an action, an inline, an endpoint and a service alike. Superusers and the product's
own work may do everything. For everybody else:

| what | who may |
|---|---|
| make a superuser, or change or delete one in any way | superusers |
| give or take a permission | who holds it |
| give or take a group | who holds all the permissions in it |
| give or take ``is_staff`` | staff |
| username, address, password; activate, delete, make staff | who holds all that the user holds |
| rename, move or delete a permission or a content type | superusers |

The last but one line is against borrowing: who sets somebody's password can log in as them.
To deactivate a user gives nothing, so a stronger one can be stopped, if they are no superuser.

A request of nobody may set names, addresses and passwords, and activate: the code of a reset
link or a registration has its own proof of who is there. It may not give more than that.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from functools import partial
from typing import Any, NoReturn

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group, Permission
from django.db import DEFAULT_DB_ALIAS, connections

from trivet.errors import TrivetError
from trivet.identity import Identity
from trivet.identity.grants import Refusal, granter_of, lacking, refusal_of
from trivet_admin.backends.observers import Ends
from trivet_admin.backends.row_observer import Listener, Rows
from trivet_admin.backends.rows import BATCH_ROWS

CREDENTIALS = ("username", "email", "password")
"""Anyone who controls these can log in as the user, now or by a link that resets the password."""

_ONLY_SUPERUSERS = "Only a superuser may do this to a superuser."
_MAKE_SUPERUSER = "Only a superuser makes superusers."
_MAKE_STAFF = "Only staff make others staff, or no staff."
_PERMISSION = "Only a superuser changes or deletes what permissions are called."


def stronger(granter: Identity, user_ids: Iterable[Any]) -> dict[Any, list[str]]:
    """The permissions that each user holds, directly or by group, and `granter` lacks; users of
    whom that is nothing are left out. A superuser is not told from others here."""
    user: Any = get_user_model()
    held = _names_by_owner(user.user_permissions.through, "user_id", "permission", user_ids)
    by_group = _names_by_owner(user.groups.through, "user_id", "group__permissions", user_ids)
    for user_id, names in by_group.items():
        held[user_id] |= names
    return _lacking_by_owner(granter, held)


def groups_beyond(granter: Identity, group_ids: Iterable[Any]) -> dict[Any, list[str]]:
    """The permissions that each group gives and `granter` lacks; the other groups are left out."""
    links = Group.permissions.through
    return _lacking_by_owner(granter, _names_by_owner(links, "group_id", "permission", group_ids))


def permissions_beyond(granter: Identity, ids: Iterable[Any] | None = None) -> dict[Any, str]:
    """The permissions, of these or of all, that `granter` does not hold: their names."""
    found = Permission._base_manager.order_by("pk")  # noqa: SLF001  # public by Django's documents
    if ids is not None:
        found = found.filter(pk__in=set(ids))
    rows = found.values_list("pk", "content_type__app_label", "codename")
    names = {key: f"{app}.{codename}" for key, app, codename in rows}
    return {key: name for key, name in names.items() if not granter.allows(name)}


def _names_by_owner(
    links: Any, owner: str, permission: str, owners: Iterable[Any]
) -> defaultdict[Any, set[str]]:
    found: defaultdict[Any, set[str]] = defaultdict(set)
    columns = (owner, f"{permission}__content_type__app_label", f"{permission}__codename")
    wanted = list(set(owners))
    for start in range(0, len(wanted), BATCH_ROWS):
        batch = wanted[start : start + BATCH_ROWS]
        rows = links._base_manager.filter(**{f"{owner}__in": batch})  # noqa: SLF001  # as above
        for key, app, codename in rows.values_list(*columns):
            if codename is not None:  # a group with no permissions
                found[key].add(f"{app}.{codename}")
    return found


def _lacking_by_owner(
    granter: Identity, held: Mapping[Any, Collection[str]]
) -> dict[Any, list[str]]:
    found = {key: lacking(granter, names) for key, names in held.items()}
    return {key: names for key, names in found.items() if names}


def sentence_about_stronger(names: Iterable[str]) -> str:
    """Why a user who holds `names` beyond the granter cannot be changed so."""
    return f"This user holds what you do not: {', '.join(names)}."


def refuse_user(
    granter: Identity,
    was: Mapping[str, Any] | None,
    now: Mapping[str, Any] | None,
    beyond: Collection[str],
) -> Iterator[Refusal]:
    """Why `granter` may not make `now` of a user `was`; None stands for no row.

    `beyond` is what the user holds and the granter does not.
    """
    if granter.is_superuser:
        return
    if now is None:
        yield from _refuse_end(was or {}, beyond)
        return
    changed = _changed(granter, was or {}, now)
    if was is not None and was["is_superuser"]:
        if changed:
            yield min(changed), _ONLY_SUPERUSERS
        return
    if now["is_superuser"]:
        yield "is_superuser", _MAKE_SUPERUSER
    if not granter.is_staff and now["is_staff"] != (was is not None and was["is_staff"]):
        yield "is_staff", _MAKE_STAFF
    if beyond:
        given = [name for name in ("is_active", "is_staff") if now[name]]
        for name in (*CREDENTIALS, *given):
            if name in changed:
                yield name, sentence_about_stronger(beyond)


def _changed(granter: Identity, was: Mapping[str, Any], now: Mapping[str, Any]) -> set[str]:
    """The columns that differ, without those that a request of nobody may set."""
    changed = {name for name in now if name not in was or was[name] != now[name]}
    if not granter.is_authenticated:
        changed -= {*CREDENTIALS, "is_active"}
    return changed


def _refuse_end(was: Mapping[str, Any], beyond: Collection[str]) -> Iterator[Refusal]:
    if was.get("is_superuser"):
        yield "", _ONLY_SUPERUSERS
    elif beyond:
        yield "", sentence_about_stronger(beyond)


def _judge_users(before: Rows, after: Rows, granter: Identity) -> Iterator[Refusal]:
    beyond = stronger(granter, before)
    for key in before | after:
        yield from refuse_user(granter, before.get(key), after.get(key), beyond.get(key, ()))


def _judge_memberships(taken: Ends, given: Ends, granter: Identity) -> Iterator[Refusal]:
    ends = taken | given
    yield from _judge_owners(ends, "groups")
    beyond = groups_beyond(granter, {group for _, group in ends})
    names = dict(Group._base_manager.filter(pk__in=beyond).values_list("pk", "name"))  # noqa: SLF001  # as above
    for key, missing in beyond.items():
        group = names.get(key, key)
        yield "groups", f"The group {group} holds what you do not: {', '.join(missing)}."


def _judge_own_permissions(taken: Ends, given: Ends, granter: Identity) -> Iterator[Refusal]:
    yield from _judge_owners(taken | given, "user_permissions")
    yield from _judge_permissions(taken, given, granter, field="user_permissions")


def _judge_permissions(
    taken: Ends, given: Ends, granter: Identity, field: str = "permissions"
) -> Iterator[Refusal]:
    missing = permissions_beyond(granter, {target for _, target in taken | given})
    if missing:
        yield field, f"You do not hold: {', '.join(sorted(missing.values()))}."


def _judge_owners(ends: Ends, field: str) -> Iterator[Refusal]:
    users: Any = get_user_model()
    found = users._base_manager.filter(pk__in={user for user, _ in ends}, is_superuser=True)  # noqa: SLF001  # as above
    if found.exists():
        yield field, _ONLY_SUPERUSERS


def _judge_names(_before: Rows, _after: Rows, _granter: Identity) -> Iterator[Refusal]:
    yield "codename", _PERMISSION


def _judge(judgement: Callable[..., Iterable[Refusal]], was: Any, now: Any) -> None:
    """Raise Forbidden if `judgement` has something against the statement that was just sent."""
    connection: Any = connections[DEFAULT_DB_ALIAS]
    granter = granter_of(connection.session.actor)
    refusals = [] if granter.is_superuser else list(judgement(was, now, granter))
    if refusals:
        give_up(refusal_of(refusals))


def give_up(error: TrivetError) -> NoReturn:
    """Raise `error` about the statement that was just sent.

    The transaction is given up as well, so that code which swallows the error commits nothing
    of it; a savepoint around it suffices to go on.
    """
    connection: Any = connections[DEFAULT_DB_ALIAS]
    connection.set_rollback(True)
    connection.rollback_exc = error
    raise error


def _listener(judgement: Callable[..., Iterable[Refusal]]) -> Listener:
    return Listener(lambda: True, partial(_judge, judgement))


by_users = _listener(_judge_users)
"""Judges what becomes of users."""

by_memberships = _listener(_judge_memberships)
"""Judges which groups users are given, and which are taken."""

by_own_permissions = _listener(_judge_own_permissions)
"""Judges which permissions users are given, and which are taken."""

by_permissions_of_groups = _listener(_judge_permissions)
"""Judges which permissions groups are given, and which are taken."""

by_names = _listener(_judge_names)
"""Judges that permissions and content types are called something else, or go."""
