"""What `trivet check` and `trivet makemigrations` see of models and database, and what they do not
take for a difference."""

import enum
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy import (
    ARRAY,
    DDL,
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Computed,
    Date,
    DateTime,
    Enum,
    Float,
    ForeignKey,
    Identity,
    Index,
    Integer,
    Interval,
    LargeBinary,
    MetaData,
    Numeric,
    SmallInteger,
    String,
    Table,
    Text,
    Time,
    UniqueConstraint,
    Uuid,
    column,
    event,
    func,
    text,
    true,
)
from sqlalchemy.dialects import postgresql as pg
from sqlalchemy.schema import SchemaItem

from tests.platform.revised import Compared, Models, database_of, run
from trivet.models.base import NAMING_CONVENTION
from trivet.models.types import IsoTime, JsonDocument, Microseconds, UtcDateTime

Items = Callable[[], list[SchemaItem]]


class Tide(enum.Enum):
    LOW = "low"
    HIGH = "high"


def everything(convention: bool) -> Models:
    """A table with all that a model can say on every database."""

    def models() -> MetaData:
        metadata = MetaData(naming_convention=NAMING_CONVENTION) if convention else MetaData()
        Table("harbour", metadata, Column("id", Integer, primary_key=True))
        Table(
            "quay",
            metadata,
            Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
            Column("label", String(20), server_default="it's", comment="what people read"),
            Column("code", String, server_default=text("'x'")),
            Column("is_open", Boolean(create_constraint=True, name="open"), server_default=true()),
            Column("is_shut", Boolean, server_default=text("false")),
            Column("tide", Enum(Tide)),
            Column("kind", Enum("a", "b", name="kind", native_enum=False, create_constraint=True)),
            Column("state", Enum("p", "q", name="state", native_enum=False)),
            Column("made_at", DateTime(timezone=True), server_default=func.now()),
            Column("local_at", DateTime, server_default=func.current_timestamp()),
            Column("day", Date, server_default=func.current_date()),
            Column("ours_at", UtcDateTime),
            Column("ours_time", IsoTime),
            Column("ours_length", Microseconds),
            Column("ours_json", JsonDocument),
            Column("price", Numeric(10, 2), server_default="0"),
            Column("rate", Numeric, server_default=text("1.5")),
            Column("weight", Float, server_default="-1"),
            Column("level", Integer, server_default=text("-3")),
            Column("length", Interval),
            Column("extra", JSON, server_default="{}"),
            Column("number", Uuid),
            Column("blob", LargeBinary),
            Column("at", Time),
            Column("about", Text, server_default=""),
            Column("depth", SmallInteger, nullable=False),
            Column("deeper", Integer, Computed("depth + 1")),
            Column("shown", String(30), Computed("lower(label) || '-'", persisted=True)),
            Column("berths", Integer, CheckConstraint("berths > 0 and berths<100")),
            Column("harbour_id", ForeignKey("harbour.id", ondelete="CASCADE"), index=True),
            Column("Quoted Name", String(5), unique=True),
            Column("order", Integer),
            Column("short", String(3), unique=True, index=True),
            CheckConstraint("level < 9", name="low"),
            CheckConstraint("length(label)>=1 OR label IS NULL"),
            CheckConstraint("about like '%z%' or about in ('a','b')", name="about"),
            UniqueConstraint("label", "is_open", name="uq_two"),
            UniqueConstraint("local_at", "day"),
            Index(
                "ix_part",
                "label",
                unique=True,
                sqlite_where=text("is_shut"),
                postgresql_where=text("is_shut"),
            ),
            Index("ix_lower", func.lower(column("label"))),
            Index("ix_descending", text("label desc"), "level"),
            comment="where ships lie",
        )
        quay = metadata.tables["quay"]
        condition = quay.c.state.in_(["p", "q"])
        Index(
            "ix_condition",
            func.lower(quay.c.label),
            quay.c.level.desc(),
            postgresql_where=condition,
            sqlite_where=condition,
        )
        return metadata

    return models


def everything_of_postgresql() -> MetaData:
    """What only PostgreSQL keeps."""
    metadata = MetaData()
    Table(
        "pier",
        metadata,
        Column("id", Integer, Identity(always=True, start=5), primary_key=True),
        Column("words", ARRAY(String(5)), server_default="{}"),
        Column("tides", ARRAY(Enum("u", "v", name="uv"))),
        Column("document", pg.JSONB, server_default=text("'{}'::jsonb")),
        Column("address", pg.INET),
        Column("span", pg.INT4RANGE),
        Column("found", pg.TSVECTOR, Computed("to_tsvector('english', prose)", persisted=True)),
        Column("prose", Text(collation="C")),
        Column("number", pg.UUID, server_default=func.gen_random_uuid()),
        Column("tide", Enum(Tide, name="tide"), server_default="LOW"),
        Column("bits", pg.BIT(3)),
        Column("price", pg.MONEY),
        Column("count", pg.DOMAIN("positive", Integer, check=text("VALUE > 0"))),
        Index("ix_document", "document", postgresql_using="gin"),
        Index("ix_address", "address", postgresql_include=["prose"]),
        pg.ExcludeConstraint(("span", "&&"), using="gist", name="no_overlap"),
        CheckConstraint("tide IN ('LOW','HIGH') AND length(prose) > 2"),
    )
    return metadata


@pytest.mark.parametrize("convention", [True, False])
def test_a_database_that_was_just_made_from_the_models_differs_in_nothing(
    empty_database_url: str, convention: bool
) -> None:
    models = everything(convention)
    with database_of(empty_database_url, models) as connection:
        assert Compared(connection, models()).sentences == []


@pytest.mark.database("postgresql")
def test_what_only_postgresql_keeps_differs_in_nothing_either(empty_database_url: str) -> None:
    with database_of(empty_database_url, everything_of_postgresql) as connection:
        compared = Compared(connection, everything_of_postgresql())
        assert (compared.sentences, compared.uncompared) == ([], [])


def of_a_schema(*members: str) -> MetaData:
    """A table with enumerations that stand in a schema."""
    metadata = MetaData()
    made: Any = DDL  # without types in SQLAlchemy
    event.listen(metadata, "before_create", made("CREATE SCHEMA IF NOT EXISTS harbour"))
    state = Enum(*members, name="state", schema="harbour")
    Table(
        "berth",
        metadata,
        Column("id", Integer, primary_key=True),
        Column("state", state, server_default="a"),
        Column("states", ARRAY(state)),
        Column("mood", Enum("x", name="mood", schema="harbour"), server_default="x"),
        CheckConstraint("state IN ('a')"),
    )
    return metadata


@pytest.mark.database("postgresql")
def test_an_enumeration_of_a_schema_is_compared_there(empty_database_url: str) -> None:
    with database_of(empty_database_url, lambda: of_a_schema("a", "b")) as connection:
        same = Compared(connection, of_a_schema("a", "b"))
        assert (same.sentences, same.uncompared) == ([], [])
        grown = Compared(connection, of_a_schema("a", "b", "c"))
        assert grown.sentences == [
            "the enumeration harbour.state has a, b in the database and a, b, c in the models"
        ]


@pytest.mark.database("postgresql")
def test_who_may_make_no_temporary_table_learns_that_texts_were_not_compared(
    empty_database_url: str,
) -> None:
    models = everything(True)
    with database_of(empty_database_url, models) as connection:
        connection.exec_driver_sql("CREATE ROLE looker")
        try:
            name = connection.exec_driver_sql("SELECT current_database()").scalar()
            connection.exec_driver_sql(f'REVOKE TEMPORARY ON DATABASE "{name}" FROM PUBLIC')
            connection.exec_driver_sql("SET LOCAL ROLE looker")
            compared = Compared(connection, models())
        finally:
            connection.rollback()
    assert compared.sentences == []
    assert "permission denied" in " ".join(compared.uncompared)


def test_sqlite_says_what_it_cannot_compare(empty_database_url: str, database_kind: str) -> None:
    models = everything(True)
    with database_of(empty_database_url, models) as connection:
        told = " ".join(Compared(connection, models()).uncompared)
    if database_kind == "postgresql":
        assert told == ""
        return
    assert "comments (quay.label, quay)" in told
    assert "members of enumerations (quay.tide)" in told


@dataclass(frozen=True)
class Change:
    """A change of a table: what is said of it on both databases, or on PostgreSQL alone."""

    name: str
    before: Items
    after: Items
    says: tuple[str, ...]
    postgresql_says: tuple[str, ...] | None = None


def mood(*members: str, **options: object) -> Enum:
    return Enum(*members, name="mood", **options)


CHANGES = (
    Change(
        "a member of an enumeration that comes",
        lambda: [Column("m", mood("a", "c"), server_default="a")],
        lambda: [Column("m", mood("a", "b", "c"), server_default="a")],
        (),
        ("the enumeration mood has a, c in the database and a, b, c in the models",),
    ),
    Change(
        "a member of an enumeration that goes",
        lambda: [
            Column("m", mood("a", "b", "c"), server_default="a"),
            Column("n", mood("a", "b", "c")),
        ],
        lambda: [Column("m", mood("c", "a"), server_default="a"), Column("n", mood("c", "a"))],
        (),
        ("the enumeration mood has a, b, c in the database and c, a in the models",),
    ),
    Change(
        "a member of an enumeration that is a text with a check",
        lambda: [Column("m", mood("a", native_enum=False, create_constraint=True))],
        lambda: [Column("m", mood("a", "long", native_enum=False, create_constraint=True))],
        ("check ck_t_mood of t is", "and m IN ('a', 'long') in the models"),
    ),
    Change(
        "a new column of a new enumeration",
        list,
        lambda: [Column("m", mood("a"))],
        ("the column t.m is in the models",),
    ),
    Change(
        "defaults",
        lambda: [
            Column("a", Integer, server_default="1"),
            Column("b", String, server_default="x"),
            Column("c", Integer),
            Column("d", Boolean, server_default=true()),
        ],
        lambda: [
            Column("a", Integer, server_default="2"),
            Column("b", String),
            Column("c", Integer, server_default=text("4")),
            Column("d", Boolean, server_default=text("false")),
        ],
        ("t.a has default", "t.b has default", "t.c has default none", "t.d has default"),
    ),
    Change(
        "checks",
        lambda: [Column("a", Integer), CheckConstraint("a>0", name="low"), CheckConstraint("a<9")],
        lambda: [
            Column("a", Integer),
            CheckConstraint("a>1", name="low"),
            CheckConstraint("a<9"),
            CheckConstraint("a % 2 = 0", name="even"),
        ],
        ("the check ck_t_low of t is", "the check ck_t_even of t"),
    ),
    Change(
        "what a column is computed from, below an index",
        lambda: [
            Column("a", Integer),
            Column("b", Integer, Computed("a + 1", persisted=True), index=True),
            CheckConstraint("b > a", name="more"),
        ],
        lambda: [
            Column("a", Integer),
            Column("b", Integer, Computed("a + 2", persisted=True), index=True),
            CheckConstraint("b > a", name="more"),
        ],
        ("the column t.b is computed as",),
    ),
    Change(
        "a column that is computed from now on",
        lambda: [Column("a", Integer), Column("b", Integer)],
        lambda: [Column("a", Integer), Column("b", Integer, Computed("a + 2", persisted=True))],
        ("the column t.b is not computed in the database",),
    ),
    Change(
        "comments",
        lambda: [Column("a", Integer)],
        lambda: [Column("a", Integer, comment="how many")],
        (),
        ("the column t.a has comment none in the database and how many in the models",),
    ),
    Change(
        "the condition, the expression and the order of indexes",
        lambda: [
            Column("a", Integer),
            Column("b", String),
            Index("i1", "a"),
            Index("i2", "b", sqlite_where=text("a>1"), postgresql_where=text("a>1")),
            Index("i3", text("lower(b)")),
        ],
        lambda: [
            Column("a", Integer),
            Column("b", String),
            Index("i1", text("a desc")),
            Index("i2", "b", sqlite_where=text("a>2"), postgresql_where=text("a>2")),
            Index("i3", text("upper(b)")),
        ],
        ("the index i1 of t is", "the index i2 of t is", "the index i3 of t is"),
    ),
    Change(
        "names alone",
        lambda: [
            Column("a", Integer),
            Column("b", String),
            Index("i1", "a"),
            UniqueConstraint("a", "b", name="u1"),
            CheckConstraint("a > 1", name="k1"),
        ],
        lambda: [
            Column("a", Integer),
            Column("b", String),
            Index("i2", "a"),
            UniqueConstraint("b", "a", name="u2"),
            CheckConstraint("a > 1", name="k2"),
        ],
        (),
    ),
    Change(
        "what is unique",
        lambda: [Column("a", Integer), Column("b", String), UniqueConstraint("a", "b")],
        lambda: [Column("a", Integer, unique=True), Column("b", String)],
        ("the unique constraint uq_t_a_b of t is in the database", "constraint uq_t_a of t"),
    ),
    Change(
        "timestamps that get a zone, and lose it",
        lambda: [
            Column("a", DateTime, server_default=func.now()),
            Column("b", DateTime(timezone=True)),
        ],
        lambda: [
            Column("a", DateTime(timezone=True), server_default=func.now()),
            Column("b", DateTime),
        ],
        (),
        (
            "the column t.a has type timestamp without time zone in the database and timestamp "
            "with time zone in the models",
            "the column t.b has type timestamp with time zone",
        ),
    ),
    Change(
        "types that PostgreSQL converts only if it is told how",
        lambda: [
            Column("a", String(20), server_default="1"),
            Column("b", Integer),
            Column("c", String(5)),
        ],
        lambda: [
            Column("a", Integer, server_default="1"),
            Column("b", String(9)),
            Column("c", mood("x")),
        ],
        ("the column t.a has type", "the column t.b has type", "the column t.c has type"),
    ),
)


def table(items: Items) -> Models:
    def models() -> MetaData:
        metadata = MetaData(naming_convention=NAMING_CONVENTION)
        Table("t", metadata, Column("id", Integer, primary_key=True), *items())
        return metadata

    return models


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.name)
def test_a_change_is_seen_and_its_revision_leaves_no_difference_there_and_back(
    change: Change, empty_database_url: str, database_kind: str
) -> None:
    before, after = table(change.before), table(change.after)
    says = change.says
    if database_kind == "postgresql" and change.postgresql_says is not None:
        says = change.postgresql_says
    with database_of(empty_database_url, before) as connection:
        compared = Compared(connection, after())
        upgrade = compared.code(compared.script.upgrade_ops)
        downgrade = compared.code(compared.script.downgrade_ops)
        connection.commit()
        for words in says:
            assert words in "\n".join(compared.sentences)
        assert bool(compared.sentences) is bool(says)

        run(connection, upgrade)
        assert Compared(connection, after()).sentences == []
        connection.commit()
        run(connection, downgrade)
        assert Compared(connection, before()).sentences == []
        connection.commit()
        run(connection, upgrade)
        assert Compared(connection, after()).sentences == []
