"""Classes with everything that a flush looks after, and the two ways to write many rows of them."""

import datetime as dt
import enum
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Protocol

from sqlalchemy import (
    Computed,
    Enum,
    Numeric,
    String,
    insert,
    inspect,
    select,
    update,
)
from sqlalchemy.orm import Mapped, Session, mapped_column, validates

from tests.platform.notes import published
from tests.platform.trail import ADA
from trivet import Model, Versioned
from trivet.data.database import Database
from trivet.events import Change as Fed
from trivet.events import Publication
from trivet.models.types import BigKey


class Shade(enum.Enum):
    DARK = "d"
    LIGHT = "l"


class Sack(Versioned, Model):
    """Something with everything that a flush looks after."""

    __tablename__ = "test_rows_sack"

    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    label: Mapped[str] = mapped_column(String(20), unique=True)
    grams: Mapped[int | None]
    price: Mapped[Decimal | None] = mapped_column(Numeric(8, 2))
    shade: Mapped[Shade | None] = mapped_column(Enum(Shade, native_enum=False, length=8))
    packed_at: Mapped[dt.datetime | None]
    state: Mapped[str] = mapped_column(String(9), default="new")
    maker: Mapped[str] = mapped_column(String(9), default=lambda: "called")
    changed: Mapped[int | None] = mapped_column(onupdate=lambda: 77)
    code: Mapped[str | None] = mapped_column(String(9))
    secret: Mapped[str | None] = mapped_column(String(9), info={"audit": "redacted"})

    @validates("code")
    def _check_code(self, _key: str, code: str | None) -> str | None:
        if code is not None and not code.isalnum():
            raise ValueError("letters and digits only")
        return None if code is None else code.upper()


class Stamp(Model):
    """A row with a name for a key, and with columns that the database fills."""

    __tablename__ = "test_rows_stamp"

    name: Mapped[str] = mapped_column(String(4), primary_key=True)
    size: Mapped[int]
    twice: Mapped[int] = mapped_column(Computed("size * 2"))
    given: Mapped[str] = mapped_column(String(9), server_default="given")


class Cell(Model):
    """A row with a key of two columns."""

    __tablename__ = "test_rows_cell"

    row: Mapped[int] = mapped_column(primary_key=True)
    column: Mapped[int] = mapped_column(primary_key=True)
    value: Mapped[int]


class Entry(Model):
    """A row that the database numbers and fills."""

    __tablename__ = "test_rows_entry"

    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    size: Mapped[int]
    twice: Mapped[int] = mapped_column(Computed("size * 2"))
    given: Mapped[str] = mapped_column(String(9), server_default="given")


@dataclass(frozen=True)
class StampChanged:
    name: str
    twice: int
    given: str


def stamp_changed(change: Fed[Any]) -> Iterator[Publication]:
    stamp = change.instance
    name = str(stamp.name if isinstance(stamp, Stamp) else stamp.id)
    yield Publication("stamps", StampChanged(name, stamp.twice, stamp.given))


@dataclass(frozen=True)
class SackChanged:
    kind: str
    label: str
    version: int
    price: Decimal | None
    old: dict[str, Any]


def sack_changed(change: Fed[Sack]) -> Iterator[Publication]:
    sack = change.instance
    old = {key: change.old[key] for key in sorted(change.old)}
    yield Publication("sacks", SackChanged(change.kind, sack.label, sack.version, sack.price, old))


Given = Sequence[dict[str, Any]]


class Way(Protocol):
    def insert(self, db: Session, rows: Given, model: Any = Sack) -> None: ...

    def update(self, db: Session, rows: Given, model: Any = Sack) -> None: ...


class Objects:
    def insert(self, db: Session, rows: Given, model: Any = Sack) -> None:
        db.add_all([model(**row) for row in rows])
        db.flush()

    def update(self, db: Session, rows: Given, model: Any = Sack) -> None:
        keys = [column.key for column in inspect(model).primary_key]
        with db.no_autoflush:
            for row in rows:
                key = tuple(row[name] for name in keys)
                found = db.get_one(model, key, with_for_update=True)
                for name in row.keys() - set(keys):
                    setattr(found, name, row[name])
        db.flush()


class Rows:
    def insert(self, db: Session, rows: Given, model: Any = Sack) -> None:
        db.execute(insert(model), rows)

    def update(self, db: Session, rows: Given, model: Any = Sack) -> None:
        db.execute(update(model), rows)


Asked = list[tuple[str, dict[str, Any]]]


async def write(database: Database, work: Callable[[Session], Any]) -> Any:
    async with database.unit(actor=ADA) as session:
        return await session.run_sync(work)


async def stored(database: Database, *names: str) -> list[tuple[Any, ...]]:
    columns = [Sack.__table__.c[name] for name in names]
    query = select(*columns).order_by(Sack.__table__.c.id)
    async with database.engine.connect() as connection:
        return [tuple(row) for row in await connection.execute(query)]


async def told(database: Database) -> list[dict[str, Any]]:
    return [json.loads(each.data) for each in await published(database, "sacks")]


def named(count: int, **values: Any) -> list[dict[str, Any]]:
    return [{"label": f"s{number}", **values} for number in range(1, count + 1)]
