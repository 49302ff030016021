"""Changes of PostgreSQL's enumerations, which are types of their own.

A member that comes in is added to the type. Where one goes, or the order changes, PostgreSQL has
no statement: a new type takes the place of the old one, and every column that has it is converted.
It refuses that while a row has a member that goes. Other databases keep no such types and pass the
statements by.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from alembic.autogenerate import renderers
from alembic.operations import MigrateOperation
from sqlalchemy import ARRAY, Column, Connection, Enum, text
from sqlalchemy.dialects.postgresql import ENUM
from sqlalchemy.types import TypeDecorator, TypeEngine

from trivet.migrations.conversions import POSTGRESQL, SENTENCE

Members = tuple[str, ...]
Users = list[tuple[str, str, str, str | None]]
"""Columns of an enumeration: table, column, the end of its type (``[]``), and its default."""

_USERS = """
SELECT a.attrelid::regclass::text, quote_ident(a.attname),
       CASE WHEN t.typcategory = 'A' THEN '[]' ELSE '' END, pg_get_expr(d.adbin, d.adrelid)
FROM pg_attribute a
JOIN pg_class c ON c.oid = a.attrelid AND c.relkind IN ('r', 'p')
JOIN pg_type t ON t.oid = a.atttypid
LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
WHERE CAST(:name AS regtype) IN (a.atttypid, t.typelem) AND NOT a.attisdropped
ORDER BY 1, 2
"""


def list_users(connection: Connection, name: str) -> Users:
    """The columns of the enumeration that PostgreSQL writes as `name`."""
    rows = connection.execute(text(_USERS), {"name": name})
    return [(table, column, end, default) for table, column, end, default in rows]


class ChangeEnumOp(MigrateOperation):
    """Give an enumeration other members.

    Attributes:
        name: Its name as PostgreSQL writes it, quoted where it has to be.
        now: The members that it has.
        wanted: Those that it shall have.
        users: The columns that have it.
    """

    def __init__(self, name: str, now: Members, wanted: Members, users: Users) -> None:
        self.name = name
        self.now = now
        self.wanted = wanted
        self.users = users

    def reverse(self) -> "ChangeEnumOp":
        """The way back."""
        return ChangeEnumOp(self.name, self.wanted, self.now, self.users)

    def to_diff_tuple(self) -> tuple[Any, ...]:
        """As Alembic's own operations say what differs."""
        return ("modify_enum", self.name, self.now, self.wanted)

    @property
    def gone(self) -> list[str]:
        """The members that no row can have any more."""
        return [each for each in self.now if each not in self.wanted]

    def statements(self) -> Iterator[str]:
        """The SQL of PostgreSQL."""
        if self._is_addition():
            yield from self._additions()
            return
        old = f"{self.name.rpartition('.')[2].strip(chr(34))}_old"
        yield f'ALTER TYPE {self.name} RENAME TO "{old}"'
        yield f"CREATE TYPE {self.name} AS ENUM ({', '.join(map(_quoted, self.wanted))})"
        for table, column, end, default in self.users:
            alter = f"ALTER TABLE {table} ALTER COLUMN {column}"
            if default is not None:
                yield f"{alter} DROP DEFAULT"
            through = f"{column}::text{end}::{self.name}{end}"
            yield f"{alter} TYPE {self.name}{end} USING {through}"
            if default is not None:
                yield f"{alter} SET DEFAULT {default}"
        schema = f"{self.name.rpartition('.')[0]}." if "." in self.name else ""
        yield f'DROP TYPE {schema}"{old}"'

    def _is_addition(self) -> bool:
        return tuple(each for each in self.wanted if each in self.now) == self.now

    def _additions(self) -> Iterator[str]:
        before: str | None = None
        for each in self.wanted:
            if each not in self.now:
                place = f"AFTER {_quoted(before)}" if before else f"BEFORE {_quoted(self.now[0])}"
                yield f"ALTER TYPE {self.name} ADD VALUE IF NOT EXISTS {_quoted(each)} {place}"
            before = each


class DropEnumOp(MigrateOperation):
    """Drop an enumeration that a table had; databases without such types pass it by."""

    def __init__(self, name: str, schema: str | None = None) -> None:
        self.name = name
        self.schema = schema


def drops_of(columns: Iterable["Column[Any]"]) -> list[MigrateOperation]:
    """What drops the enumerations of `columns`, each once."""
    kinds = [each.type for each in columns]
    named = {(k.schema, k.name) for k in kinds if isinstance(k, Enum) and k.native_enum and k.name}
    return [
        DropEnumOp(name, s) for s, name in sorted(named, key=lambda each: (each[0] or "", each[1]))
    ]


@renderers.dispatch_for(DropEnumOp)
def _render_drop(_context: Any, operation: DropEnumOp) -> str:
    schema = "" if operation.schema is None else f", schema={operation.schema!r}"
    return f"sa.Enum(name={operation.name!r}{schema}).drop(op.get_bind(), checkfirst=True)"


class EnsureEnumOp(MigrateOperation):
    """Make an enumeration, unless it is there. The way back leaves it, because another table may
    have it by then."""

    def __init__(self, name: str, members: Members) -> None:
        self.name = name
        self.members = members

    def reverse(self) -> "EnsureEnumOp":
        """The way back does nothing."""
        return EnsureEnumOp(self.name, ())


def ensure_enums(kind: TypeEngine[Any]) -> list[MigrateOperation]:
    """The operation that makes the enumeration of a type, if it has one."""
    if isinstance(kind, TypeDecorator):
        return ensure_enums(kind.load_dialect_impl(POSTGRESQL))
    if isinstance(kind, ARRAY):
        return ensure_enums(kind.item_type)
    found = kind.dialect_impl(POSTGRESQL)
    if not isinstance(found, ENUM) or not found.name:
        return []
    operation = EnsureEnumOp(found.compile(dialect=POSTGRESQL), tuple(found.enums))
    operation.info[SENTENCE] = ""
    return [operation]


@renderers.dispatch_for(EnsureEnumOp)
def _render_ensure(_context: Any, operation: EnsureEnumOp) -> list[str]:
    if not operation.members:
        return []
    made = f"CREATE TYPE {operation.name} AS ENUM ({', '.join(map(_quoted, operation.members))})"
    unless = f"DO $$ BEGIN {made}; EXCEPTION WHEN duplicate_object THEN NULL; END $$"
    return [_ONLY, f"op.execute({unless!r})", _END]


_END = ""
"""To the printer of Alembic, which indents by itself, the end of a block."""
_ONLY = "if op.get_context().dialect.name == 'postgresql':"


@renderers.dispatch_for(ChangeEnumOp)
def _render(_context: Any, operation: ChangeEnumOp) -> list[str]:
    return [_ONLY, *(f"op.execute({each!r})" for each in operation.statements()), _END]


def _quoted(member: str) -> str:
    escaped = member.replace("'", "''")
    return f"'{escaped}'"
