"""Every type of column: what one ORM writes, the other reads and finds.

Each example is one value of one type. It is written through SQLAlchemy or through Django, and then
read by both, and by an engine of its own with a driver that Django has not touched. It is found by
equality, by a range where the type has an order, and as not NULL.
"""

import datetime as dt
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import Column, Engine, Integer, MetaData, Table, select
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import Session

from tests.admin.assorted.models import PORTABLE, POSTGRESQL, Assorted, Colour, PostgresAssorted
from tests.admin.house import engine_of
from tests.admin.type_values import (
    NOT_EQUAL_IN_SQL,
    UNEQUAL,
    VALUES,
)
from trivet.data.sqlite import keep_zones
from trivet.events.feeds import encode_event

UNORDERED = frozenset(
    {"document", "document_variant", "document_null", "json_typed", "address", "jsonb", "items"}
    | {"json_text", "words", "pickled", "password", "document_array", "cidr", "inet", "vector"}
    | {"ranges", "pairs", "documents_of_old", "point"}
)
"""Those that have no order on one of the databases, or none that people mean."""
NOT_TOLD = frozenset({"pickled", "password"})
"""Objects whose text says nothing to a browser, or more than it should."""


@dataclass(frozen=True)
class Told:
    """An event with values of a column."""

    values: list[Any]


@pytest.fixture(scope="module")
def apart(assorted: object, process_database_url: str) -> Iterator[Engine]:
    """An engine as the platform's own, on connections that Django never had."""
    engine = engine_of(process_database_url)
    keep_zones(engine.dialect)
    yield engine
    engine.dispose()


examples = partial(
    settings,
    deadline=None,
    derandomize=True,
    database=None,
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=list(HealthCheck),
)


@pytest.mark.parametrize("name", PORTABLE)
def test_what_one_orm_wrote_the_other_reads_and_finds(apart: Engine, name: str) -> None:
    values = VALUES[name]
    if name == "token_variant" and apart.dialect.name == "postgresql":
        values = st.uuids()  # where the variant is, the values are of its kind
    _check(apart, Assorted, name, values)


@pytest.mark.parametrize(("name", "hour"), [("wall", 12), ("berlin", 14)])
def test_an_aware_value_is_turned_to_the_clock_of_its_column(
    apart: Engine, name: str, hour: int
) -> None:
    given = dt.datetime(2020, 7, 1, 8, tzinfo=dt.timezone(dt.timedelta(hours=-4)))
    wall = dt.datetime(2020, 7, 1, hour)  # noqa: DTZ001  # without a zone, on purpose
    rows = _write(Assorted, name, [given, given], begins_with_django=True)
    with Session(apart) as session:
        assert set(_read(session, Assorted, name, rows).values()) == {wall}
    for condition in ({name: given}, {name: wall}, {f"{name}__lte": given, f"{name}__gte": wall}):
        assert mirror_of(Assorted).objects.filter(pk__in=rows, **condition).count() == len(rows)


@pytest.mark.database("postgresql")
@pytest.mark.parametrize("name", POSTGRESQL)
def test_types_that_one_database_has_alone_are_read_and_found_too(apart: Engine, name: str) -> None:
    _check(apart, PostgresAssorted, name, VALUES[name])


def _check(apart: Engine, mapped: Any, name: str, strategy: Any) -> None:
    @examples(max_examples=2)
    @given(st.lists(strategy, min_size=1, max_size=4), st.booleans())
    def check(values: list[Any], begins_with_django: bool) -> None:
        rows = _write(mapped, name, values, begins_with_django=begins_with_django)
        with Session(apart) as session:
            theirs = _read(session, mapped, name, rows)
            assert theirs == rows
            _require_same(mapped, name, theirs)
            if name not in NOT_TOLD:
                encode_event(Told(list(theirs.values())))
            for key in rows:
                _require_found(session, mapped, name, key, theirs[key])

    check()


def _write(
    mapped: Any, name: str, values: list[Any], *, begins_with_django: bool
) -> dict[int, Any]:
    """The values by the keys of their rows, which each ORM writes in turn."""
    rows = {}
    with transaction_of_both() as session:
        for number, value in enumerate(values):
            if bool(number % 2) is not begins_with_django:
                rows[mirror_of(mapped).objects.create(**{name: value}).pk] = value
            else:
                row = mapped(**{name: value})
                session.add(row)
                session.flush()
                rows[row.id] = value
    return rows


def _read(session: Session, mapped: Any, name: str, keys: Any) -> dict[int, Any]:
    found = session.execute(select(mapped.id, getattr(mapped, name)).where(mapped.id.in_(keys)))
    return dict(iter(found))


def _require_same(mapped: Any, name: str, theirs: dict[int, Any]) -> None:
    """Both ORMs on Django's connection read what an engine of its own reads, of the same type."""
    rows = mirror_of(mapped).objects.filter(pk__in=theirs)
    with transaction_of_both() as session:
        shares = _read(session, mapped, name, theirs)
    djangos = {row.pk: getattr(row, name) for row in rows}
    assert djangos == shares == theirs
    for key, value in theirs.items():
        assert type(shares[key]) is type(value)
        assert isinstance(djangos[key], type(value))
    assert rows.order_by(name).distinct().count() == len(theirs)
    assert len(rows.order_by(name)) == len(theirs)


def _require_found(session: Session, mapped: Any, name: str, key: int, value: Any) -> None:
    rows = mirror_of(mapped).objects.filter(pk=key)
    attribute = getattr(mapped, name)
    found: list[dict[str, Any]] = [{f"{name}__isnull": False}]
    not_found: list[dict[str, Any]] = [{f"{name}__isnull": True}]
    conditions = [attribute.is_not(None)]
    if name not in UNEQUAL:
        found += [{name: value}, {f"{name}__in": [value]}]
    if name not in UNEQUAL | NOT_EQUAL_IN_SQL:
        conditions.append(attribute == value)
    if name not in UNEQUAL | UNORDERED:
        found.append({f"{name}__gte": value, f"{name}__lte": value})
        not_found += [{f"{name}__gt": value}, {f"{name}__lt": value}]
        conditions.append(attribute.between(value, value))
    assert [each for each in found if not rows.filter(**each).exists()] == []
    assert [each for each in not_found if rows.filter(**each).exists()] == []
    query = select(mapped.id).where(mapped.id == key, *conditions)
    assert session.scalars(query).one_or_none() == key


def mirror_of(mapped: type[Any]) -> Any:
    from trivet_admin.mirror.registry import mirror

    return mirror(mapped)


@contextmanager
def transaction_of_both() -> Iterator[Any]:
    from django.db import connection, transaction

    shared: Any = connection
    with transaction.atomic():
        yield shared.session


WORDS = {
    "SplitDateTimeField": "date and time",
    "DateTimeField": "date and time",
    "WallDateTimeField": "date and time",
    "DateField": "date",
    "TimeField": "time",
    "DurationField": "duration",
    "DecimalField": "decimal",
    "FloatField": "number",
    "UUIDField": "UUID",
    "TypedChoiceField": "choice",
    "DocumentFormField": "JSON",
    "ItemsFormField": "JSON list",
    "CharField": "text",
}
"""How the documents call the forms."""


def _rows_of_the_table() -> Iterator[tuple[str, str]]:
    page = (Path(__file__).parents[2] / "docs" / "models.md").read_text()
    _, _, rest = page.partition("| type | in Python | in a form |\n|---|---|---|\n")
    table, _, _ = rest.partition("\n\n")
    for row in table.splitlines():
        types, _, form = (cell.strip() for cell in row.strip("|").split("|"))
        for spelled in re.findall(r"`([^`]+)`", types):
            yield spelled, form


TABLE = list(_rows_of_the_table())
assert len(TABLE) > 35


@pytest.mark.database("postgresql")
def test_the_documents_say_which_form_a_type_has(assorted: object) -> None:
    assert {spelled: _form_of(spelled) for spelled, _ in TABLE} == dict(TABLE)


def _form_of(spelled: str) -> str:
    from trivet_admin.mirror.columns import make_field

    names = {**vars(sqlalchemy), **vars(postgresql), "Status": Colour}
    kind = eval(spelled, names)  # noqa: S307  # the page's own words
    table = Table("assorted_spelled", MetaData(), Column("id", Integer, primary_key=True))
    table.append_column(Column("each", kind))
    field = make_field(table.c.each)
    return WORDS[type(field.formfield()).__name__] if field.editable else "shown only"
