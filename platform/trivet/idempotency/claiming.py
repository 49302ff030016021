"""The two statements around a change with a key: the first claims the key, the last keeps the
answer.

On PostgreSQL the first one tries an advisory lock that ends with the transaction, and inserts only
if it has it: so nobody waits in the database, and a request that waits holds no connection. The
lock is released after the commit is visible, so whoever finds it free finds the row too. On SQLite
the transaction has the whole database, and needs no lock.

A row that is past its time counts as absent, and is written over.
"""

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from sqlalchemy import bindparam, func, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from trivet.idempotency.answer import KeptAnswer
from trivet.idempotency.tables import IdempotencyKey


@dataclass(frozen=True, slots=True)
class KeyedRequest:
    """A request with a key: whose it is, and what it asks for.

    Attributes:
        user_id: The user in whose space the key stands.
        key: The key.
        fingerprint: A digest of what is asked.
        authority: A digest of what the caller is allowed to do.
        request_id: The id of the request.
    """

    user_id: int
    key: str
    fingerprint: str
    authority: str
    request_id: str

    @property
    def place(self) -> tuple[int, str]:
        """The key in the space of its user."""
        return self.user_id, self.key


class BusyError(Exception):
    """Another transaction works on this key at this moment."""


def claim(db: Session, request: KeyedRequest, age: timedelta) -> KeptAnswer | None:
    """Take the key for the transaction of `db`.

    Returns:
        The answer that is kept for the key, if it is not older than `age`; None if the key is
        taken.

    Raises:
        BusyError: Another transaction has it.
    """
    connection = db.connection()
    now = datetime.now(UTC)
    values: dict[str, Any] = {
        "user_id": request.user_id,
        "key": request.key,
        "fingerprint": request.fingerprint,
        "authority": request.authority,
        "request_id": request.request_id,
        "created_at": now,
        "status": _OPEN,
        "headers": "[]",
        "body": b"",
        "oldest": now - age,
    }
    if connection.dialect.name == "postgresql":
        values["lock"] = _lock_of(request)
        statement = _take_under_lock()
    else:
        statement = _take()
    if connection.execute(statement, values).first() is not None:
        return None
    found = connection.execute(_FIND, {"user_id": request.user_id, "key": request.key}).first()
    if found is None:
        raise BusyError
    return KeptAnswer(*found)


def keep(db: Session, request: KeyedRequest, answer: KeptAnswer) -> None:
    """Complete the row of a claimed key with the answer.

    Raises:
        RuntimeError: The row is not there: what was done for the request was undone.
    """
    values = {
        "of_user": request.user_id,
        "of_key": request.key,
        "status": answer.status,
        "headers": answer.headers,
        "body": answer.body,
    }
    if db.connection().execute(_KEEP, values).rowcount != 1:
        raise RuntimeError(
            "the row of this request's Idempotency-Key is gone from its own transaction, so its "
            "answer cannot be kept, and nothing is committed"
        )


def _lock_of(request: KeyedRequest) -> int:
    """The number of an advisory lock. Two keys with one number wait for each other, no more."""
    text = f"trivet idempotency {request.user_id} {request.key}"
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], signed=True)


_OPEN = 0
"""The status of a row whose answer is not there yet; no committed row has it."""
_COLUMNS = IdempotencyKey.__table__.columns
_FIND = select(
    IdempotencyKey.status,
    IdempotencyKey.headers,
    IdempotencyKey.body,
    IdempotencyKey.fingerprint,
    IdempotencyKey.authority,
).where(IdempotencyKey.user_id == bindparam("user_id"), IdempotencyKey.key == bindparam("key"))
_KEEP = update(IdempotencyKey).where(
    IdempotencyKey.user_id == bindparam("of_user"),
    IdempotencyKey.key == bindparam("of_key"),
    IdempotencyKey.status == _OPEN,
)


@cache
def _take_under_lock() -> Any:
    locked = func.pg_try_advisory_xact_lock(bindparam("lock", type_=_COLUMNS["user_id"].type))
    values = [bindparam(each.name, type_=each.type) for each in _COLUMNS]
    given: Any = select(*values).where(locked)
    statement = postgresql.insert(IdempotencyKey).from_select(list(_COLUMNS.keys()), given)
    return _unless_kept(statement)


@cache
def _take() -> Any:
    given: dict[str, Any] = {each.name: bindparam(each.name) for each in _COLUMNS}
    return _unless_kept(sqlite.insert(IdempotencyKey).values(given))


def _unless_kept(statement: Any) -> Any:
    """`statement`, which writes over a row that is past its time, and leaves any other."""
    return statement.on_conflict_do_update(
        index_elements=["user_id", "key"],
        set_={
            each.name: statement.excluded[each.name] for each in _COLUMNS if not each.primary_key
        },
        where=IdempotencyKey.created_at < bindparam("oldest", type_=_COLUMNS["created_at"].type),
    ).returning(IdempotencyKey.user_id)
