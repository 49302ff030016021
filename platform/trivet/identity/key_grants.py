"""API keys give nothing that their maker, or their owner, does not have.

Each flush is judged before it writes, so the rules hold for the admin, an endpoint, an action and a
command. For everybody, the command line included: the owner of a key holds its scopes. For
everybody except superusers and the product's own work:

- only superusers make, change, revoke and delete the keys of a superuser;
- a key for another user needs the permission to set that user's password, and names scopes;
- the maker holds the scopes; only logged-in users make a key without scopes, for themselves;
- a key that a key makes does not live longer than its maker.

A change that gives something (scopes, owner, a later expiry, an end of the revocation, another
secret) is judged like a new key. Revoking a key, shortening its life or changing its label gives
nothing.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from sqlalchemy import ClauseElement, Connection, inspect, select
from sqlalchemy.orm import Session

from trivet.errors import InputError, Invalid
from trivet.identity.django_tables import users
from trivet.identity.grants import Refusal, granter_of, lacking, refusal_of
from trivet.identity.identity import Identity
from trivet.identity.keys import ApiKey
from trivet.identity.permissions import every_permission, names_of, permissions_of

_SECRET = frozenset({"prefix", "digest"})
_JUDGED = frozenset(
    {*_SECRET, "owner_id", "label", "created_at", "expires_at", "revoked_at", "scopes"}
)
MANAGE_USERS = "accounts.change_user"
"""The permission to set the passwords of other users."""


def judge_keys(session: Session, *_: Any) -> None:
    """Listens to ``before_flush``.

    Raises Invalid for scopes that the owner does not hold, and Forbidden for a key that the acting
    identity may not give. Nothing is written then.
    """
    new = [each for each in session.new if isinstance(each, ApiKey)]
    known = [each for each in (*session.dirty, *session.deleted) if isinstance(each, ApiKey)]
    if not new and not known:
        return
    granter = granter_of(getattr(session, "actor", None))
    connection = session.connection()
    former = _read_former(connection, known)
    refusals: list[Refusal] = []
    for key in new:
        _require_plain(key, _JUDGED)
        _require_owned(connection, key)
        refusals += _refuse_gift(connection, granter, key)
    for key in known:
        was = former.get(_id_of(key))
        if was is not None:
            is_deleted = key in session.deleted
            refusals += _refuse_change(connection, granter, key, was, is_deleted=is_deleted)
    if refusals:
        raise refusal_of(refusals)


def _id_of(key: ApiKey) -> Any:
    """The primary key in the database, even if the attribute was set to another value."""
    identity = inspect(key).identity
    return None if identity is None else identity[0]


def _read_former(connection: Connection, keys: Iterable[ApiKey]) -> dict[Any, Mapping[str, Any]]:
    """The rows of `keys` by their ids, each with whether its owner is a superuser."""
    wanted = [_id_of(key) for key in keys]
    if not wanted:
        return {}
    table = ApiKey.__table__
    query = (
        select(table, users.c.is_superuser)
        .join_from(table, users, users.c.id == table.c.owner_id)
        .where(table.c.id.in_(wanted))
    )
    return {row["id"]: dict(row) for row in connection.execute(query).mappings()}


def _refuse_change(
    connection: Connection,
    granter: Identity,
    key: ApiKey,
    was: Mapping[str, Any],
    *,
    is_deleted: bool,
) -> Iterator[Refusal]:
    touched = _changes_of(key)
    _require_plain(key, touched)
    changed = {name for name in touched if getattr(key, name) != was[name]}
    if not is_deleted and changed & {"scopes", "owner_id"}:
        _require_owned(connection, key)
    if granter.is_superuser or not (changed or is_deleted):
        return
    if was["is_superuser"]:
        yield "owner", "Only a superuser changes, revokes or deletes the keys of a superuser."
    elif not is_deleted and _gives(key, was, changed):
        yield from _refuse_gift(connection, granter, key)


def _changes_of(key: ApiKey) -> set[str]:
    attributes = inspect(key).attrs
    return {name for name in _JUDGED if attributes[name].history.has_changes()}


def _gives(key: ApiKey, was: Mapping[str, Any], changed: set[str]) -> bool:
    if changed & {*_SECRET, "owner_id", "scopes"}:
        return True
    if "revoked_at" in changed and key.revoked_at is None:
        return True
    return "expires_at" in changed and not _ends_by(key, was["expires_at"])


def _ends_by(key: ApiKey, moment: Any) -> bool:
    """Whether the key has expired at `moment`; None: never."""
    return moment is None or (key.expires_at is not None and key.expires_at <= moment)


def _refuse_gift(connection: Connection, granter: Identity, key: ApiKey) -> Iterator[Refusal]:
    """The reasons why `granter` may not give `key` as it is now."""
    if granter.is_superuser:
        return
    if connection.scalar(select(users.c.is_superuser).where(users.c.id == key.owner_id)):
        yield "owner", "Only a superuser makes keys for a superuser."
        return
    is_own = granter.is_authenticated and granter.user_id == key.owner_id
    if not is_own:
        yield from _refuse_foreign(connection, granter, key)
    if key.scopes is None:
        if not is_own or granter.kind != "session":
            yield (
                "scopes",
                "Name the scopes: only users themselves make a key without them, for themselves.",
            )
    elif missing := lacking(granter, key.scopes):
        yield "scopes", f"You do not hold: {', '.join(missing)}."
    if granter.kind == "key" and not _ends_by(key, granter.expires_at):
        yield "expires_at", "A key makes no key that lives longer than itself."


def _refuse_foreign(connection: Connection, granter: Identity, key: ApiKey) -> Iterator[Refusal]:
    held = names_of(connection.execute(permissions_of(key.owner_id)))
    if not granter.allows(MANAGE_USERS):
        yield "owner", f"A key for another user needs the permission {MANAGE_USERS}."
    elif missing := lacking(granter, held):
        yield "owner", f"This user holds what you do not: {', '.join(missing)}."


def _require_owned(connection: Connection, key: ApiKey) -> None:
    if not key.scopes:
        return
    query = select(users.c.is_superuser).where(users.c.id == key.owner_id)
    held = every_permission() if connection.scalar(query) else permissions_of(key.owner_id)
    missing = sorted(set(key.scopes) - names_of(connection.execute(held)))
    if missing:
        raise _invalid("scopes", f"The owner does not hold: {', '.join(missing)}.")


def _require_plain(key: ApiKey, names: Iterable[str]) -> None:
    """Refuse expressions of SQL: their values are not known before the database computes them."""
    for name in names:
        value = getattr(key, name)
        if isinstance(value, ClauseElement) or hasattr(value, "__clause_element__"):
            raise _invalid(
                name, f"{name} of an API key must be a plain value, not an expression of SQL."
            )


def _invalid(attribute: str, sentence: str) -> Invalid:
    fault: InputError = {"pointer": f"/{attribute}", "detail": sentence}
    return Invalid(attribute, sentence, errors=[fault])
