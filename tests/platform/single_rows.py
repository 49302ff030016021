"""Rows that are written alone, and those that SQLAlchemy has to write."""

import datetime as dt
import enum
import itertools
import uuid
from collections.abc import Callable
from decimal import Decimal
from functools import partial
from typing import Any

from sqlalchemy import (
    ARRAY,
    JSON,
    Computed,
    Enum,
    FetchedValue,
    ForeignKey,
    Identity,
    Integer,
    LargeBinary,
    Numeric,
    String,
    event,
    func,
    inspect,
    select,
)
from sqlalchemy.dialects.postgresql import INET, INT4RANGE, Range
from sqlalchemy.orm import Mapped, Session, mapped_column

from tests.platform.bulk_values import VALUES, Load
from tests.platform.notes import Note
from tests.platform.trail import noted
from trivet import Model, Versioned
from trivet.data.database import Database
from trivet.models.types import BigKey, IsoTime, JsonDocument, UtcDateTime

_turns = itertools.count(1)


class Shade(enum.Enum):
    DARK = "d"
    LIGHT = "l"


class Crate(Versioned, Model):
    """Values of every kind, and every kind of default. Only PostgreSQL has some of them, and SQLite
    a table all the same, because all tests' tables are made together."""

    __tablename__ = "test_single_crate"

    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    label: Mapped[str | None] = mapped_column("label %", String(40))
    price: Mapped[Decimal | None] = mapped_column(Numeric(8, 2))
    shade: Mapped[Shade | None] = mapped_column(Enum(Shade, name="test_single_shade"))
    made_at: Mapped[dt.datetime | None] = mapped_column(UtcDateTime)
    opens: Mapped[dt.time | None] = mapped_column(IsoTime)
    on: Mapped[dt.date | None]
    token: Mapped[uuid.UUID | None]
    picture: Mapped[bytes | None] = mapped_column(LargeBinary)
    notes: Mapped[Any | None] = mapped_column(JsonDocument)
    marks: Mapped[list[int] | None] = mapped_column(
        JSON().with_variant(ARRAY(Integer), "postgresql")
    )
    span: Mapped[Any | None] = mapped_column(JSON().with_variant(INT4RANGE, "postgresql"))
    address: Mapped[Any | None] = mapped_column(String(40).with_variant(INET, "postgresql"))
    plain: Mapped[int] = mapped_column(default=7)
    called: Mapped[str] = mapped_column(String(9), default=lambda: "called")
    by_database: Mapped[str] = mapped_column(String(9), server_default="given")
    twice: Mapped[int] = mapped_column(Computed("plain * 2"))


class Numbered(Model):
    """A key that the database numbers by itself."""

    __tablename__ = "test_single_numbered"

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    name: Mapped[str | None] = mapped_column(String(9))


class Named(Model):
    """A key of two parts, of its maker."""

    __tablename__ = "test_single_named"

    row: Mapped[int] = mapped_column(primary_key=True)
    place: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    later: Mapped[str | None] = mapped_column(String(9), server_default=FetchedValue())


class Depending(Model):
    """Defaults that ask for a context, or for the database."""

    __tablename__ = "test_single_depending"

    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    name: Mapped[str] = mapped_column(String(9))
    loud: Mapped[str] = mapped_column(
        String(9), default=lambda context: context.get_current_parameters()["name"].upper()
    )
    now: Mapped[dt.datetime | None] = mapped_column(UtcDateTime, default=func.now())


class Beast(Model):
    """Rows of two tables, and rows of a subclass in the same one."""

    __tablename__ = "test_single_beast"
    __mapper_args__ = {  # noqa: RUF012  # SQLAlchemy's own word
        "polymorphic_on": "kind",
        "polymorphic_identity": "beast",
    }

    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    kind: Mapped[str] = mapped_column(String(9))


class Bird(Beast):
    __tablename__ = "test_single_bird"
    __mapper_args__ = {  # noqa: RUF012  # SQLAlchemy's own word
        "polymorphic_identity": "bird"
    }

    id: Mapped[int] = mapped_column(ForeignKey(Beast.id), primary_key=True)
    wings: Mapped[int] = mapped_column(default=2)


class Fish(Beast):
    __mapper_args__ = {  # noqa: RUF012  # SQLAlchemy's own word
        "polymorphic_identity": "fish"
    }

    fins: Mapped[int | None]


MOMENT = dt.datetime(2026, 11, 26, 20, 15, tzinfo=dt.timezone(dt.timedelta(hours=5)))
CRATE: dict[str, Any] = {
    "label": "100 % %(x)s",
    "price": Decimal("12.50"),
    "shade": Shade.LIGHT,
    "made_at": MOMENT,
    "opens": dt.time(8, 30),
    "on": dt.date(1, 1, 1),
    "token": uuid.UUID(int=7),
    "picture": b"\x00\xff\\",
    "notes": {"a": [1, None, "ü"]},
    "marks": [3, 1],
    "span": Range(1, 5),
    "address": "10.0.0.1",
    "plain": 2**31 - 1 >> 1,
    "by_database": "ours",
    "version": 3,
}
ROWS: dict[str, Callable[[], Any]] = {
    "nothing but defaults": Crate,
    "everything": lambda: Crate(**CRATE),
    **{f"a crate's {name}": partial(Crate, **{name: CRATE[name]}) for name in CRATE},
    "an expression": lambda: Crate(label=func.upper("loud")),
    "a key that is given": lambda: Crate(id=1_000_000 + next(_turns)),
    **{f"a load's {name}": partial(Load, **{name: VALUES[name]}) for name in VALUES},
    "a key of the database": lambda: Numbered(name="n"),
    "a key of two parts": lambda: Named(row=1),
    "its second part given": lambda: Named(row=next(_turns), place=uuid.uuid4(), later="now"),
    "defaults that ask": lambda: Depending(name="soft"),
    "a row of two tables": Bird,
    "a row of a subclass": lambda: Fish(fins=2),
    "a note": lambda: Note(board="a", text=f"text {next(_turns)}"),
}
MADE_ANEW = {"id", "row", "place", "now", "text"}
"""Attributes that differ from one row to the next."""


async def make(database: Database, row: Callable[[], Any]) -> tuple[Any, Any, Any]:
    """A new row: as the object has it after the flush, as the database has it, and its entry."""

    def add(db: Session) -> Any:
        made = row()
        db.add(made)
        db.flush()
        state = inspect(made)
        known = {k: v for k, v in state.dict.items() if not k.startswith("_sa_")}
        assert not state.modified
        assert state.key[1] == tuple(inspect(type(made)).primary_key_from_instance(made))
        stored: dict[str, Any] = {}
        for table in state.mapper.tables:
            key = next(iter(table.primary_key))
            read = db.execute(select(table).where(key == state.key[1][0]))
            stored |= read.mappings().first() or {}
        return known, stored, state.unloaded

    async with database.unit() as session:
        known, stored, unloaded = await session.run_sync(add)
    *_, (kind, table, _, changes) = await noted(database)

    def alike(values: Any) -> Any:
        return {str(key): value for key, value in values.items() if str(key) not in MADE_ANEW}

    return (alike(known), unloaded), alike(stored), (kind, table, alike(changes))


def listen(database: Database) -> list[str]:
    """Listen to statements from now on, and so choose SQLAlchemy's way."""
    heard: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        heard.append(statement)

    event.listen(database.engine.sync_engine, "before_cursor_execute", note)
    return heard


REFUSED: dict[str, Callable[[], Any]] = {
    "a text that is taken": lambda: Note(board="a", text="taken"),
    "no value": lambda: Note(board="a"),
    "a key that is the database's": lambda: Numbered(id=3, name="n"),
}
