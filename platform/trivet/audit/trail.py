"""The chains: each entry authenticated together with the hash of the one before it.

A chain orders its writers: its head is locked from the moment an entry is added until the
commit. With one chain for all, every transaction would wait for every other. So there are
`CHAINS` chains, and a transaction takes one that is free, and only one.

Most take it as their very last lock. Such a transaction waits for nothing, so its head is part of
no deadlock. A transaction waits for a head only if all of them are held at once.

One whose changes are all made may take one of the first `EARLY_CHAINS` before the channels that it
publishes to, for which it may then have to wait: this saves it a round trip
(docs/decisions/0190). Nobody ever waits for those heads, and so they are part of no deadlock
either.

The hashes are HMACs under the installation's key: somebody who can write to the database but
does not know the key cannot recompute a chain. Against somebody who knows the key, there is
`Anchor`.
"""

import hashlib
import hmac
import random
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import cache, lru_cache
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Connection, Executable, bindparam, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from trivet.array_text import numbers, texts
from trivet.audit.entry import Entry
from trivet.audit.tables import CHAINS, AuditChain, AuditEntry, id_of
from trivet.fixed_statements import Asked, FixedStatement, Steps
from trivet.origin import Origin

GENESIS = ""
"""The predecessor's hash in the first entry of a chain."""

BROKEN = "broken"
"""The seal of a head that was found with a wrong seal. It stays: writing goes on, because an audit
must not stop the work, but a new valid seal would hide the damage of the head."""

MISSING = "missing"
"""The seal of a head that was missing when an entry was to be written. A trail begins once, with
the installation (`AuditTrail.begin`). If writers sealed the heads that they make, somebody could
empty the trail, and it would look like a new one."""

OTHER_KEY = "other-key:"
"""The beginning of the seal of a head whose last seal was made under a key that the writer did not
know; the name of that key follows."""

EARLY_CHAINS = 12
"""The first chains, whose heads may be taken before channels. Those who have to wait for a head
wait for one of the others."""

_NAME_CHARACTERS = 8
"""The part of a seal that names its key, before the hash. It reveals nothing about the key."""

_head, _entry = AuditChain, AuditEntry
_CONTENT = tuple(c.key for c in AuditEntry.__table__.columns if c.key != "hash")
_encode = msgspec.json.Encoder().encode
_dice = random.Random()  # noqa: S311  # spreads waiting writers; nothing is kept secret by it


class Head(NamedTuple):
    """The head of a chain, as it was locked `at` an instant of the database's clock, in UTC."""

    id: int
    length: int
    hash: str
    seal: str
    at: datetime


class AuditTrail:
    """Appends to the trail, and checks its hashes.

    `secrets` are the installation's, the newest first. Entries are written with the newest; the
    others are accepted, so that a secret can be replaced.
    """

    def __init__(self, secrets: Sequence[str]) -> None:
        if not secrets:
            raise ValueError("the audit trail needs a secret")
        self._keys = [_derive(secret) for secret in secrets]
        self._sealed_by_us: dict[int, tuple[int, str, str]] = {}

    def begin(self, connection: Connection) -> bool:
        """Make the sealed heads of all chains, if there is neither a head nor an entry. Returns
        whether it did. An installation does this once, when its tables are made: from then on a
        missing trail is damage."""
        if connection.execute(_ANY_HEAD).first() or connection.execute(_ANY_ENTRY).first():
            return False
        seals = {chain: self._seal(chain, 0, GENESIS) for chain in range(CHAINS)}
        self._make_heads(connection, seals)
        return True

    def unknown_key(self, seal: str) -> str:
        """The name of the key in `seal`, if it is not one of ours; otherwise empty. This name is
        not authenticated."""
        name = seal.removeprefix(OTHER_KEY)[:_NAME_CHARACTERS]
        is_ours = any(name == _name_of(key) for key in self._keys)
        return "" if seal in (BROKEN, MISSING) or is_ours else name

    def append(self, connection: Connection, entries: Sequence[Entry], origin: Origin) -> None:
        """Add `entries`, oldest first, to a chain on SQLite; all have one `origin`.

        It has to be the last act of a transaction: the chain stays locked until the end.
        """
        rows, moved = self._chain(entries, origin, self._take_first(connection))
        connection.execute(_MOVE, moved)
        connection.execute(_ENTER, [dict(zip(_names, row, strict=True)) for row in rows])

    def appending(
        self,
        entries: Sequence[Entry],
        origin: Origin,
        found_head: Sequence[Any] | None = None,
    ) -> Steps[None]:
        """The same as steps of PostgreSQL's. `found_head` is the row of `FIND_FREE_HEAD`, if the
        query has run already.

        Entries and the move of the head are one statement, and it goes with the COMMIT: each round
        trip would be one more while the head is held.
        """
        head = found_head or (yield from _take_free())
        parts, values = self.entering(entries, origin, head)
        yield Asked(_alone(parts), values, is_last=True, is_read=False)

    def entering(
        self, entries: Sequence[Entry], origin: Origin, found_head: Sequence[Any]
    ) -> tuple[str, dict[str, Any]]:
        """What adds `entries` behind a head that was found: parts of a statement's WITH, and their
        values. For PostgreSQL."""
        rows, moved = self._chain(entries, origin, found_head)
        if len(rows) == 1:
            return _MOVE_AND_ENTER, dict(zip(_names, rows[0], strict=True)) | moved
        return _MOVE_AND_ENTER_ALL, _arrays(rows) | moved

    def _chain(
        self, entries: Sequence[Entry], origin: Origin, found_head: Sequence[Any]
    ) -> tuple[list[tuple[Any, ...]], dict[str, Any]]:
        """The rows of `entries` behind a head, and its new end."""
        head = Head(*found_head)
        actor = origin.identity
        common = {
            "at": head.at.replace(tzinfo=UTC),
            "actor_id": actor.user_id,
            "actor": actor.username,
            "actor_kind": actor.kind,
            "credential": actor.credential_id,
            "origin": origin.way,
            "request_id": origin.request_id,
        }
        rows = self._chained(entries, list(common.values()), head)
        return rows, self._moved(head, head.length + len(rows), rows[-1][-1])

    def _chained(
        self, entries: Sequence[Entry], common: Sequence[Any], head: Head
    ) -> list[tuple[Any, ...]]:
        """The rows of `entries`, each with the hash of the one before it, in the order of
        `_names`; `common` are the columns from `at` to `request_id`."""
        rows: list[tuple[Any, ...]] = []
        previous: str = head.hash
        key, chain = self._keys[0], head.id
        for position, entry in enumerate(entries, start=head.length + 1):
            content = (
                id_of(chain, position),
                *common,
                entry.table,
                entry.key,
                entry.kind,
                entry.changes,
                previous,
            )
            previous = _mac(key, _encode(content))
            rows.append((*content, previous))
        return rows

    def hash(self, row: Mapping[str, Any]) -> str:
        """The hash of an entry: of every column but the hash itself."""
        return _mac(self._keys[0], _content(row))

    def is_authentic(self, row: Mapping[str, Any]) -> bool:
        """Whether an entry and its place are unchanged since it was written."""
        return self._is_known(_content(row), row["hash"])

    def is_sealed(self, chain: int, length: int, newest: str, seal: str) -> bool:
        """Whether a head is unchanged since it was written."""
        content = _head_content(chain, length, newest)
        named = any(
            hmac.compare_digest(_seal_of(key, content).encode(), seal.encode())
            for key in self._keys
        )
        # Seals of earlier versions do not name their key.
        return named or self._is_known(content, seal)

    def _is_known(self, content: bytes, mac: str) -> bool:
        given = mac.encode()
        return any(hmac.compare_digest(_mac(key, content).encode(), given) for key in self._keys)

    def _seal(self, chain: int, length: int, newest: str) -> str:
        return _seal_of(self._keys[0], _head_content(chain, length, newest))

    def _take_first(self, connection: Connection) -> Sequence[Any]:
        """The first head, on SQLite: the one writer holds the whole database already."""
        query, values = _FIND_HEAD_ON_SQLITE, {"now": datetime.now(UTC)}
        found = connection.execute(query, values).first()
        if found is None:
            self._make_heads(connection, dict.fromkeys(range(CHAINS), MISSING))
            found = connection.execute(query, values).one()
        return found

    def _make_heads(self, connection: Connection, seals: Mapping[int, str]) -> None:
        """Make the missing heads, in one statement."""
        heads = [
            {"id": chain, "length": 0, "hash": GENESIS, "seal": seal}
            for chain, seal in seals.items()
        ]
        dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
        statement = dialect.insert(_head.__table__).values(heads)
        connection.execute(statement.on_conflict_do_nothing())

    def _moved(self, head: Head, length: int, newest: str) -> dict[str, Any]:
        """The new end of a head, as `_MOVE` takes it."""
        # Most heads are still as this process has left them, with a seal that it need not compute
        # again to know it.
        is_sound = self._sealed_by_us.get(head.id) == head[1:4] or self.is_sealed(*head[:4])
        seal = self._seal(head.id, length, newest) if is_sound else self._unsound(head.seal)
        if is_sound:
            self._sealed_by_us[head.id] = length, newest, seal
        return {"chain": head.id, "new_length": length, "new_hash": newest, "new_seal": seal}

    def _unsound(self, seal: str) -> str:
        """The new seal of a head whose seal was found wrong: it is never made right again."""
        if seal == MISSING:
            return MISSING
        name = self.unknown_key(seal)
        return f"{OTHER_KEY}{name}" if name else BROKEN


def _take_free() -> Steps[Sequence[Any]]:
    """Lock a free head and return its row, as `Head` has it. For PostgreSQL."""
    found = yield Asked(_FIND_FREE_HEAD, {})
    if not found:
        # All are held, or some are gone.
        yield Asked(_MAKE_MISSING_HEADS, {"hash": GENESIS, "seal": MISSING})
        found = yield Asked(_FIND_FREE_HEAD, {})
    if not found:
        chain = _dice.randrange(EARLY_CHAINS, CHAINS)
        found = yield Asked(_WAIT_FOR_HEAD, {"chain": chain})
    (head,) = found
    return head


# The time is the database's on PostgreSQL. Two transactions that change the same row come one
# after the other, so their entries are in that order, whichever chains and servers wrote them.
_heads = (
    "SELECT id, length, hash, seal, clock_timestamp() AT TIME ZONE 'UTC' AS at "
    "FROM trivet_audit_chain"
)
FIND_FREE_HEAD = f"{_heads} ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED"
"""The first free head, locked; no row if all are held. For PostgreSQL."""
_FIND_FREE_HEAD = FixedStatement(FIND_FREE_HEAD)
FIND_EARLY_HEAD = FixedStatement(
    f"{_heads} WHERE id < {EARLY_CHAINS} ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED"
)
"""The first free head of those that may be taken before channels."""
_WAIT_FOR_HEAD = FixedStatement(f"{_heads} WHERE id = %(chain)s FOR UPDATE")
_MAKE_MISSING_HEADS = FixedStatement(
    "INSERT INTO trivet_audit_chain (id, length, hash, seal) "  # noqa: S608  # a number of ours
    "SELECT id, 0, CAST(%(hash)s AS text), CAST(%(seal)s AS text) "
    f"FROM generate_series(0, {CHAINS - 1}) AS id ON CONFLICT DO NOTHING"
)
_names = (*_CONTENT, "hash")
_move_and_enter = (
    "moved AS (UPDATE trivet_audit_chain SET length = %(new_length)s, hash = %(new_hash)s, "  # noqa: S608  # of the names of our own columns
    "seal = %(new_seal)s WHERE id = %(chain)s), "
    f"entered AS (INSERT INTO trivet_audit_entry ({', '.join(_names)}) "
)
_MOVE_AND_ENTER = f"{_move_and_enter}VALUES ({', '.join(f'%({name})s' for name in _names)}))"
_own = ("id", "table_name", "row_key", "kind", "changes", "previous", "hash")
"""The columns in which the entries of one transaction differ."""
_types = {"id": "bigint", "at": "timestamptz", "actor_id": "bigint"}
_given = ", ".join(f"CAST(%({name})s AS {_types.get(name, 'text')}[])" for name in _own)
_selected = ", ".join(
    name if name in _own else f"CAST(%({name})s AS {_types.get(name, 'text')})" for name in _names
)
_MOVE_AND_ENTER_ALL = (
    f"{_move_and_enter}SELECT {_selected} FROM unnest({_given}) AS given ({', '.join(_own)}))"  # noqa: S608  # as above
)


@cache
def _alone(parts: str) -> FixedStatement:
    return FixedStatement(f"WITH {parts} SELECT")


def _arrays(rows: Sequence[tuple[Any, ...]]) -> dict[str, Any]:
    """The parameters of `_MOVE_AND_ENTER_ALL` for `rows`, which are of one transaction."""
    columns = dict(zip(_names, zip(*rows, strict=True), strict=True))
    return {
        name: column[0] if name not in _own else numbers(column) if name == "id" else texts(column)
        for name, column in columns.items()
    }


# The other statements are built once: to build one costs more than to run it.
_columns = (_head.id, _head.length, _head.hash, _head.seal)
_FIND_HEAD_ON_SQLITE: Executable = (
    select(*_columns, bindparam("now", type_=_entry.at.type).label("at"))
    .order_by(_head.id)
    .limit(1)
)
_MOVE = (
    update(_head)
    .where(_head.id == bindparam("chain"))
    .values(length=bindparam("new_length"), hash=bindparam("new_hash"), seal=bindparam("new_seal"))
)
_ANY_HEAD = select(_head.id).limit(1)
_ANY_ENTRY = select(_entry.id).limit(1)
_ENTER = insert(_entry)


def _content(row: Mapping[str, Any]) -> bytes:
    return msgspec.json.encode([row[name] for name in _CONTENT])


def _head_content(chain: int, length: int, newest: str) -> bytes:
    return msgspec.json.encode(["head", chain, length, newest])


def _mac(key: bytes, content: bytes) -> str:
    keyed = _keyed(key).copy()
    keyed.update(content)
    return keyed.hexdigest()


@lru_cache(maxsize=64)
def _keyed(key: bytes) -> hmac.HMAC:
    """A hash that has taken the key: to begin one computes more than to hash an entry."""
    return hmac.new(key, digestmod="sha256")


def _seal_of(key: bytes, content: bytes) -> str:
    """A seal: the name of its key, and as much of the HMAC as fits into the column."""
    return _name_of(key) + _mac(key, content)[_NAME_CHARACTERS:]


@lru_cache(maxsize=64)
def _name_of(key: bytes) -> str:
    return _mac(key, b"name")[:_NAME_CHARACTERS]


def _derive(secret: str) -> bytes:
    """A key for this purpose only, so that no other signature can take its place."""
    return hmac.digest(secret.encode(), b"trivet.audit", hashlib.sha256)
