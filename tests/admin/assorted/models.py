"""Two classes: what both databases have, and what PostgreSQL has alone."""

import datetime as dt
import enum
import uuid
from typing import Any

from sqlalchemy import (
    ARRAY,
    CHAR,
    DDL,
    JSON,
    Column,
    Date,
    DateTime,
    Enum,
    Float,
    ForeignKey,
    Index,
    Integer,
    Interval,
    LargeBinary,
    Numeric,
    PickleType,
    String,
    Text,
    Time,
    Uuid,
    event,
    false,
    text,
    true,
)
from sqlalchemy.dialects.postgresql import (
    CIDR,
    CITEXT,
    DATERANGE,
    HSTORE,
    INET,
    INT4MULTIRANGE,
    INT4RANGE,
    INT8RANGE,
    INTERVAL,
    JSONB,
    MACADDR,
    NUMRANGE,
    TSRANGE,
    TSTZRANGE,
    TSVECTOR,
    UUID,
)
from sqlalchemy.orm import Mapped, mapped_column, relationship, validates
from sqlalchemy.types import TypeEngine, UserDefinedType

from tests.admin.assorted import decorators
from trivet import Model, Versioned
from trivet.models.types import BigKey


class Colour(enum.Enum):
    RED = "#f00"
    DARK_BLUE = "#008"


def values_of(members: Any) -> list[str]:
    return [member.value for member in members]


PORTABLE: dict[str, TypeEngine[Any]] = {
    "aware": DateTime(timezone=True),
    "wall": DateTime(),
    "berlin": DateTime(),
    "clock": Time(),
    "span": Interval(),
    "document": JSON(),
    "document_variant": JSON().with_variant(JSONB(), "postgresql"),
    "document_null": JSON(none_as_null=True),
    "by_name": Enum(Colour, name="assorted_by_name"),
    "by_name_in_text": Enum(Colour, native_enum=False),
    "by_value": Enum(Colour, name="assorted_by_value", values_callable=values_of),
    "word_of_list": Enum("one", "two", name="assorted_words"),
    "number": Numeric(),
    "number_as_float": Numeric(10, 3, asdecimal=False),
    "float_as_decimal": Float(asdecimal=True),
    "token": Uuid(),
    "token_text": Uuid(as_uuid=False),
    "token_char": Uuid(native_uuid=False),
    "token_variant": String(36).with_variant(UUID(), "postgresql"),
    "blob": LargeBinary(),
    "pickled": PickleType(),
    "items": ARRAY(Integer).with_variant(JSON(), "sqlite"),
    "zoned": decorators.ZonedInstant(),
    "unzoned": decorators.NaiveInstant(),
    "epoch": decorators.EpochMicroseconds(),
    "json_text": decorators.JsonText(),
    "json_typed": decorators.TypedJson(),
    "address": decorators.AddressJson(),
    "guid": decorators.Guid(),
    "guid_in_bytes": decorators.BinaryGuid(),
    "auto": decorators.AutoString(),
    "lower": decorators.LowerCase(),
    "host": decorators.AddressText(),
    "secret": decorators.Secret(),
    "cents": decorators.Cents(),
    "yes_no": decorators.YesNo(),
    "words": decorators.Words(),
    "level": decorators.LevelNumber(),
    "password": decorators.PasswordText(),
}
POSTGRESQL: dict[str, TypeEngine[Any]] = {
    "whole_array": ARRAY(Integer),
    "text_array": ARRAY(String(20)),
    "day_array": ARRAY(Date),
    "aware_array": ARRAY(DateTime(timezone=True)),
    "number_array": ARRAY(Numeric(8, 2)),
    "token_array": ARRAY(Uuid()),
    "document_array": ARRAY(JSONB, dimensions=1),
    "documents_of_old": ARRAY(JSON),
    "matrix": ARRAY(Integer, dimensions=2),
    "whole_range": INT4RANGE(),
    "big_range": INT8RANGE(),
    "number_range": NUMRANGE(),
    "day_range": DATERANGE(),
    "wall_range": TSRANGE(),
    "aware_range": TSTZRANGE(),
    "ranges": INT4MULTIRANGE(),
    "inet": INET(),
    "cidr": CIDR(),
    "macaddr": MACADDR(),
    "interval": INTERVAL(),
    "vector": TSVECTOR(),
    "jsonb": JSONB(),
    "pairs": HSTORE(),
    "any_case": CITEXT(),
}

ANNOTATIONS = {"level": Mapped[decorators.Level | None]}


def columns_of(kinds: dict[str, TypeEngine[Any]]) -> dict[str, Any]:
    found = {name: Column(name, kind, nullable=True) for name, kind in kinds.items()}
    if "berlin" in found:
        found["berlin"].info["zone"] = "Europe/Berlin"
    return found


def only_active() -> dict[str, Any]:
    return {"sqlite_where": text("active"), "postgresql_where": text("active")}


class Point(UserDefinedType[str]):
    """A type of PostgreSQL's that SQLAlchemy does not know, and that has no order."""

    cache_ok = True

    def get_col_spec(self, **_options: Any) -> str:
        return "POINT"


POSTGRESQL["point"] = Point()


class Assorted(Versioned, Model):
    """Without annotations, as before SQLAlchemy 2."""

    __tablename__ = "assorted_assorted"
    __annotations__ = ANNOTATIONS

    id = Column(BigKey, primary_key=True)
    name = Column(String(20), nullable=False, default="n")
    padded = Column(CHAR(4), nullable=True)
    lines = Column(Text, nullable=True)
    locals().update(columns_of(PORTABLE))


class PostgresAssorted(Model):
    __tablename__ = "assorted_postgres"
    __annotations__: dict[str, Any] = {}

    id = Column(BigKey, primary_key=True)
    name = Column(String(20), nullable=False, default="n")
    # The test of another class may make every table there is, on whatever database it runs.
    locals().update(
        columns_of({n: kind.with_variant(JSON(), "sqlite") for n, kind in POSTGRESQL.items()})
    )


ddl: Any = DDL  # without types in SQLAlchemy
for _extension in ("hstore", "citext"):
    event.listen(
        PostgresAssorted.__table__,
        "before_create",
        ddl(f"CREATE EXTENSION IF NOT EXISTS {_extension}").execute_if(dialect="postgresql"),
    )


class Owner(Model):
    """Its key is of a decorated type, as advanced-alchemy and fastapi-users have theirs."""

    __tablename__ = "assorted_owner"

    id: Mapped[uuid.UUID] = mapped_column(
        decorators.BinaryGuid, primary_key=True, default=uuid.uuid4
    )
    name: Mapped[str] = mapped_column(String(20))
    pets: Mapped[list["Pet"]] = relationship(back_populates="owner", cascade="all, delete-orphan")

    def __str__(self) -> str:
        return self.name


class Pet(Model):
    __tablename__ = "assorted_pet"

    name: Mapped[str] = mapped_column(decorators.AutoString, primary_key=True)
    born: Mapped[dt.datetime] = mapped_column(decorators.EpochMicroseconds)
    owner_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey(Owner.id))
    owner: Mapped[Owner | None] = relationship(back_populates="pets")


class Habit(Model):
    """What mapped classes have that were written for SQLAlchemy alone."""

    __tablename__ = "assorted_habit"
    __table_args__ = tuple(
        Index(f"ux_assorted_habit_{name}", name, unique=True, **only_active())
        for name in ("email", "parent_id")
    )

    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    title: Mapped[str] = mapped_column(String(20))
    slug: Mapped[str] = mapped_column(
        String(20), default=lambda context: context.get_current_parameters()["title"].lower()
    )
    made: Mapped[str] = mapped_column(String(20), default=lambda _context: "in Python")
    settings: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    labels: Mapped[Any] = mapped_column(JSON, default=list)
    email: Mapped[str] = mapped_column(String(50), default="a@example.org")
    active: Mapped[bool] = mapped_column(default=False)
    weekly: Mapped[int | None] = mapped_column(default=7)
    parent_id: Mapped[int | None] = mapped_column(ForeignKey("assorted_habit.id"))
    on_by_function: Mapped[bool] = mapped_column(server_default=true())
    on_by_text: Mapped[bool] = mapped_column(server_default=text("true"))
    on_by_number: Mapped[bool] = mapped_column(server_default="1")
    off_by_function: Mapped[bool] = mapped_column(server_default=false())
    off_by_text: Mapped[bool] = mapped_column(server_default=text("FALSE"))

    @validates("email")
    def _check_email(self, _key: str, email: str) -> str:
        assert "@" in email, "no address"
        return email
