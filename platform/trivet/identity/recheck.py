"""What many identities have lost since they were established: a few statements for hundreds.

An open socket trusts its identity for hours. A revocation ends that at once, but a message can be
lost, so the identities of open sockets are compared with the database from time to time. Only
identities that the product itself established are compared: keys, sessions, and users of tokens.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Protocol, runtime_checkable

from sqlalchemy import Select, select, union_all
from sqlalchemy.orm import Session

from trivet.identity.django_tables import (
    content_types,
    group_permissions,
    permissions,
    sessions,
    user_groups,
    user_permissions,
    users,
)
from trivet.identity.identity import Identity
from trivet.identity.keys import KEY_START, ApiKey
from trivet.identity.revocation import Revocation, RevocationScope

AT_ONCE = 500
"""The identities of one comparison: at most four short statements."""


@runtime_checkable
class OfSession(Protocol):
    """The source of an identity of a session, as the room that made it keeps it."""

    @property
    def session_key(self) -> str: ...

    @property
    def user_row(self) -> Mapping[str, Any]: ...


def find_lost(session: Session, identities: Collection[Identity]) -> list[Revocation]:
    """The revocations that nobody seems to have heard of, for those of `identities` that are not
    as the database has them: at most `AT_ONCE` of them at a time.

    Identities of a kind that is not known here are left alone.
    """
    checked = [each for each in identities if _is_ours(each)]
    if not checked:
        return []
    found = _Found(session, checked)
    return list(dict.fromkeys(lost for each in checked for lost in found.losses_of(each)))


def _is_ours(identity: Identity) -> bool:
    if identity.user_id is None:
        return False
    if identity.kind == "key":
        return identity.credential_id.startswith(KEY_START)
    return identity.kind == "token" or isinstance(identity.source, OfSession)


class _Found:
    """What the database has of some identities now."""

    def __init__(self, session: Session, identities: Collection[Identity]) -> None:
        numbers = {each.user_id for each in identities}
        keys = {each.credential_id for each in identities if each.kind == "key"}
        logins = {
            each.source.session_key for each in identities if isinstance(each.source, OfSession)
        }
        self._users = {
            row.id: row for row in session.execute(select(users).where(users.c.id.in_(numbers)))
        }
        self._keys: dict[str, ApiKey] = {}
        if keys:
            found = session.scalars(select(ApiKey).where(ApiKey.prefix.in_(keys)))
            self._keys = {key.prefix: key for key in found}
        self._logins: set[str] = set()
        if logins:
            valid = select(sessions.c.session_key).where(
                sessions.c.session_key.in_(logins), sessions.c.expire_date > datetime.now(UTC)
            )
            self._logins = set(session.scalars(valid))
        held = session.execute(_held_by(number for number in numbers if number is not None))
        self._permissions: dict[int, set[str]] = {}
        for user_id, app, codename in held:
            self._permissions.setdefault(user_id, set()).add(f"{app}.{codename}")

    def losses_of(self, identity: Identity) -> Iterator[Revocation]:
        user = self._users.get(identity.user_id)
        if user is None or not user.is_active:
            yield Revocation(user_id=identity.user_id)
            return
        scopes: frozenset[str] | None = None
        if identity.kind == "key":
            key = self._keys.get(identity.credential_id)
            if key is None or not key.is_usable(datetime.now(UTC)):
                yield Revocation(credential_id=identity.credential_id)
                return
            scopes = None if key.scopes is None else frozenset(key.scopes)
        elif isinstance(identity.source, OfSession):
            if identity.source.user_row.get("password") != user.password:
                yield Revocation(user_id=identity.user_id, kind="session")
                return
            if identity.source.session_key not in self._logins:
                yield Revocation(credential_id=identity.credential_id)
                return
        named = (user.username, user.email)  # by which a rule may go
        if (*self._grants(user, scopes), *named) != _grants_of(identity):
            yield Revocation(
                user_id=identity.user_id, kind=identity.kind, scope=RevocationScope.GRANTS
            )

    def _grants(self, user: Any, scopes: frozenset[str] | None) -> tuple[Any, ...]:
        held = frozenset[str]()
        if not user.is_superuser:
            held = frozenset(self._permissions.get(user.id, ()))
            held = held if scopes is None else held & scopes
        elif scopes is not None:
            held = scopes
        is_whole = scopes is None
        return user.is_staff and is_whole, user.is_superuser and is_whole, held


def _grants_of(identity: Identity) -> tuple[Any, ...]:
    grants = identity.is_staff, identity.is_superuser, identity.permissions
    return (*grants, identity.username, identity.email)


def _held_by(user_ids: Iterable[int]) -> Select[Any]:
    """Each permission of each user, direct and by group."""
    numbers = list(user_ids)
    direct = select(user_permissions.c.user_id, user_permissions.c.permission_id).where(
        user_permissions.c.user_id.in_(numbers)
    )
    by_group = (
        select(user_groups.c.user_id, group_permissions.c.permission_id)
        .join(group_permissions, group_permissions.c.group_id == user_groups.c.group_id)
        .where(user_groups.c.user_id.in_(numbers))
    )
    held = union_all(direct, by_group).subquery()
    return (
        select(held.c.user_id, content_types.c.app_label, permissions.c.codename)
        .join(permissions, permissions.c.id == held.c.permission_id)
        .join(content_types, content_types.c.id == permissions.c.content_type_id)
    )
