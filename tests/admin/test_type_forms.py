"""Forms over every type of column: what nobody touched stays as it is, what was typed is stored.

One row has a value in every column that a form's text cannot hold whole: microseconds, blanks at
its ends, an empty text beside NULL. It is opened, sent back, and looked at in the database itself.
"""

import datetime as dt
import ipaddress
import uuid
from decimal import Decimal
from typing import Any

import anyio.to_thread
import msgspec
import pytest
from sqlalchemy import func, insert, inspect, select
from sqlalchemy.dialects.postgresql import Range

from tests.admin.assorted import decorators
from tests.admin.assorted.models import PORTABLE, POSTGRESQL, Assorted, Colour, PostgresAssorted
from tests.admin.house import House, Visitor, engine_of
from trivet.data.sqlite import keep_zones

pytestmark = pytest.mark.anyio

WALL = dt.datetime(2013, 2, 8, 17, 30, 1, 123456)  # noqa: DTZ001  # without a zone, on purpose
INSTANT = WALL.replace(tzinfo=dt.UTC)
TOKEN = uuid.UUID("0f8fad5b-d9cb-469f-a165-70867728950e")
WHOLE: dict[str, Any] = {
    "name": "  padded ",
    "padded": "ab  ",
    "lines": "",
    "aware": INSTANT,
    "wall": WALL,
    "berlin": WALL,
    "clock": WALL.time(),
    "span": dt.timedelta(days=1, microseconds=7),
    "document": {"b": [1.0, None], "a": "ü"},
    "document_variant": [],
    "document_null": {},
    "by_name": Colour.DARK_BLUE,
    "by_name_in_text": Colour.RED,
    "by_value": Colour.RED,
    "word_of_list": "two",
    "number": Decimal("12.340"),
    "number_as_float": 1.125,
    "float_as_decimal": Decimal("0.5"),
    "token": TOKEN,
    "token_text": str(TOKEN),
    "token_char": TOKEN,
    "blob": b"\x00\xff" * 20,
    "pickled": {1: object},
    "items": [3, 1],
    "zoned": INSTANT,
    "unzoned": INSTANT,
    "epoch": INSTANT,
    "json_text": {"a": 1},
    "json_typed": ["x"],
    "address": decorators.Address("Main", 1),
    "guid": TOKEN,
    "guid_in_bytes": TOKEN,
    "auto": " two\nlines ",
    "lower": "a@b",
    "host": ipaddress.ip_address("10.0.0.7"),
    "secret": "a secret",
    "cents": Decimal("1.25"),
    "yes_no": False,
    "words": ["a", "b"],
    "level": decorators.Level.HIGH,
    "password": decorators.Password("digest"),
}
assert {*WHOLE, "token_variant"} >= PORTABLE.keys()


POSTGRESQL_WHOLE: dict[str, Any] = {
    "whole_array": [1, None, 2],
    "text_array": [" a ", "", "b,c"],
    "day_array": [WALL.date(), None],
    "aware_array": [INSTANT],
    "number_array": [Decimal("1.50")],
    "token_array": [TOKEN],
    "document_array": [{"a": [1]}, "text"],
    "documents_of_old": [{"a": 1}, None],
    "matrix": [[1, 2], [3, None]],
    "whole_range": Range(1, 5),
    "big_range": Range(None, 2**40),
    "number_range": Range(Decimal("1.50"), Decimal(2), bounds="[]"),
    "day_range": Range(WALL.date(), None),
    "wall_range": Range(WALL, None, bounds="(]"),
    "aware_range": Range(INSTANT, INSTANT + dt.timedelta(microseconds=1)),
    "ranges": [Range(1, 3), Range(7, 9)],
    "inet": ipaddress.ip_interface("10.0.0.7/8"),
    "cidr": ipaddress.ip_network("10.0.0.0/8"),
    "macaddr": "08:00:2b:01:02:03",
    "interval": dt.timedelta(days=-1, microseconds=5),
    "vector": "'a' 'b'",
    "jsonb": {"a": None},
    "pairs": {"a": "b", "c": None},
    "point": "(1,2)",
    "any_case": " Any ",
}
assert POSTGRESQL_WHOLE.keys() == POSTGRESQL.keys()


class Rows:
    """The rows of one class, as another connection writes and reads them."""

    def __init__(self, url: str, mapped: Any) -> None:
        self._engine = engine_of(url)
        keep_zones(self._engine.dialect)
        self._table: Any = mapped.__table__
        self.page = f"/admin/assorted/{mapped.__name__.lower()}"

    async def add(self, **values: Any) -> int:
        if "version" in self._table.c:
            values.setdefault("version", 1)
        return await anyio.to_thread.run_sync(self._add, values)

    async def read(self, key: int) -> dict[str, Any]:
        return await anyio.to_thread.run_sync(self._read, self._table.c.id == key)

    async def newest(self) -> dict[str, Any]:
        newest = select(func.max(self._table.c.id)).scalar_subquery()
        return await anyio.to_thread.run_sync(self._read, self._table.c.id == newest)

    def _add(self, values: dict[str, Any]) -> int:
        with self._engine.begin() as connection:
            key = connection.execute(insert(self._table).values(values)).inserted_primary_key
        assert key is not None
        return int(key[0])

    def _read(self, condition: Any) -> dict[str, Any]:
        with self._engine.connect() as connection:
            row = connection.execute(select(self._table).where(condition)).one()
            return dict(row._mapping)  # public by SQLAlchemy's documents

    def close(self) -> None:
        self._engine.dispose()


@pytest.fixture
def rows(assorted: object, process_database_url: str) -> Any:
    rows = Rows(process_database_url, Assorted)
    yield rows
    rows.close()


@pytest.fixture
def postgres_rows(built_assorted_house: object, process_database_url: str) -> Any:
    """`built_assorted_house` has registered what every database has."""
    from tests.admin.assorted.admin import register_postgres
    from tests.admin.house import forget_urls

    register_postgres()
    forget_urls()
    rows = Rows(process_database_url, PostgresAssorted)
    yield rows
    rows.close()


@pytest.fixture
async def boss(assorted_house: House) -> Any:
    async with assorted_house.visit() as boss:
        yield boss


async def noted(house: House, key: int) -> list[dict[str, Any]]:
    query = (
        "SELECT changes FROM trivet_audit_entry WHERE table_name = 'assorted_assorted' "
        "AND row_key = :key ORDER BY id"
    )
    return [msgspec.json.decode(row[0]) for row in await house.rows(query, key=str(key))]


async def test_a_form_that_nobody_touched_changes_nothing(
    assorted_house: House, boss: Visitor, rows: Rows
) -> None:
    key = await rows.add(**WHOLE)
    before = await rows.read(key)
    page = await boss.edit(f"{rows.page}/{key}/change/")
    assert page.status == 302, page.words
    assert await rows.read(key) == before
    assert await noted(assorted_house, key) == []


async def test_a_form_writes_only_what_was_changed(
    assorted_house: House, boss: Visitor, rows: Rows
) -> None:
    key = await rows.add(**WHOLE)
    before = await rows.read(key)
    page = await boss.edit(f"{rows.page}/{key}/change/", lower="New@x")
    assert page.status == 302, page.words
    assert await rows.read(key) == {**before, "lower": "new@x", "version": 2}
    assert [set(changes) for changes in await noted(assorted_house, key)] == [{"lower"}]


async def test_a_value_of_old_does_not_keep_others_from_being_saved(
    boss: Visitor, rows: Rows
) -> None:
    """Here an empty text where one is needed."""
    key = await rows.add(name="")
    page = await boss.edit(f"{rows.page}/{key}/change/", auto="new")
    assert page.status == 302, page.words
    row = await rows.read(key)
    assert (row["name"], row["auto"], row["version"]) == ("", "new", 2)
    other = await rows.add(name="given")
    page = await boss.edit(f"{rows.page}/{other}/change/", name=" ")
    assert page.error_at("name") == "This field is required."


async def test_an_empty_row_stays_empty(boss: Visitor, rows: Rows) -> None:
    key = await rows.add(name="")
    before = await rows.read(key)
    page = await boss.edit(f"{rows.page}/{key}/change/", lower="x")
    assert page.status == 302, page.words
    assert await rows.read(key) == {**before, "lower": "x", "version": 2}
    assert {before[name] for name in PORTABLE} == {None}


async def test_a_field_that_is_left_empty_or_emptied_is_null(boss: Visitor, rows: Rows) -> None:
    names = [*TYPED, "lines", "padded"]
    page = await boss.edit(f"{rows.page}/add/", name="empty")
    assert page.status == 302, page.words
    row = await rows.newest()
    assert {name: row[name] for name in names} == dict.fromkeys(names)
    typed = {field: text for given, _ in TYPED.values() for field, text in given.items()}
    typed |= {"lines": "a", "padded": "abcd"}
    page = await boss.edit(f"{rows.page}/{row['id']}/change/", **typed)
    assert page.status == 302, page.words
    page = await boss.edit(f"{rows.page}/{row['id']}/change/", **dict.fromkeys(typed, ""))
    assert page.status == 302, page.words
    emptied = await rows.read(row["id"])
    assert {name: emptied[name] for name in names} == dict.fromkeys(names)


TYPED_WALL = dt.datetime(2020, 1, 2, 3, 4, 5)  # noqa: DTZ001  # as above
TYPED_INSTANT = TYPED_WALL.replace(tzinfo=dt.UTC)
TYPED: dict[str, tuple[dict[str, str], Any]] = {
    "aware": ({"aware_0": "2020-01-02", "aware_1": "03:04:05"}, TYPED_INSTANT),
    "wall": ({"wall_0": "2020-01-02", "wall_1": "03:04:05"}, TYPED_WALL),
    "berlin": ({"berlin_0": "2020-07-02", "berlin_1": "03:04:05"}, TYPED_WALL.replace(month=7)),
    "clock": ({"clock": "03:04:05.000006"}, dt.time(3, 4, 5, 6)),
    "span": ({"span": "2 03:00:00.000001"}, dt.timedelta(days=2, hours=3, microseconds=1)),
    "document": ({"document": '{"a": [2]}'}, {"a": [2]}),
    "document_variant": ({"document_variant": '"text"'}, "text"),
    "by_name": ({"by_name": "RED"}, Colour.RED),
    "by_name_in_text": ({"by_name_in_text": "DARK_BLUE"}, Colour.DARK_BLUE),
    "by_value": ({"by_value": "#008"}, Colour.DARK_BLUE),
    "word_of_list": ({"word_of_list": "one"}, "one"),
    "number": ({"number": "0.125"}, Decimal("0.125")),
    "number_as_float": ({"number_as_float": "2.5"}, 2.5),
    "float_as_decimal": ({"float_as_decimal": "2.5"}, Decimal("2.5")),
    "token": ({"token": "{" + str(TOKEN) + "}"}, TOKEN),
    "token_text": ({"token_text": str(TOKEN)}, str(TOKEN)),
    "token_char": ({"token_char": str(TOKEN)}, TOKEN),
    "items": ({"items": "[4, 5]"}, [4, 5]),
    "zoned": ({"zoned_0": "2020-01-02", "zoned_1": "03:04:05"}, TYPED_INSTANT),
    "unzoned": (
        {"unzoned_0": "2020-01-02", "unzoned_1": "03:04:05"},
        TYPED_INSTANT,
    ),
    "epoch": ({"epoch_0": "2020-01-02", "epoch_1": "03:04:05"}, TYPED_INSTANT),
    "json_text": ({"json_text": "[]"}, []),
    "json_typed": ({"json_typed": '{"z": null}'}, {"z": None}),
    "address": ({"address": '{"street": "Side", "number": 2}'}, decorators.Address("Side", 2)),
    "guid": ({"guid": str(TOKEN)}, TOKEN),
    "guid_in_bytes": ({"guid_in_bytes": str(TOKEN)}, TOKEN),
    "auto": ({"auto": "text"}, "text"),
    "lower": ({"lower": "TEXT"}, "text"),
    "host": ({"host": "::1"}, ipaddress.ip_address("::1")),
    "secret": ({"secret": "hush"}, "hush"),
    "cents": ({"cents": "12.34"}, Decimal("12.34")),
    "yes_no": ({"yes_no": "true"}, True),
    "words": ({"words": '["x", "y"]'}, ["x", "y"]),
    "level": ({"level": "20"}, decorators.Level.HIGH),
}
NOTED = {
    "aware": "2020-01-02T03:04:05Z",
    "wall": "2020-01-02T03:04:05",
    "by_name": "#f00",
    "address": {"street": "Side", "number": 2},
    "guid": str(TOKEN),
    "cents": "12.34",
    "level": 20,
}
"""What the trail says of what was typed."""
SHOWN = {"blob", "pickled", "password"}


async def test_what_is_typed_is_stored_and_what_no_form_can_give_back_is_shown(
    assorted_house: House, boss: Visitor, rows: Rows
) -> None:
    typed = {field: text for given, _ in TYPED.values() for field, text in given.items()}
    page = await boss.edit(f"{rows.page}/add/", name="typed", **typed)
    assert page.status == 302, page.words
    row = await rows.newest()
    expected = {name: value for name, (_, value) in TYPED.items()}
    assert {name: row[name] for name in expected} == expected
    (changes,) = await noted(assorted_house, row["id"])
    values = {name: changes[name]["to"] for name in NOTED}
    assert values == NOTED
    whole = await rows.add(**WHOLE)
    page = await boss.get(f"{rows.page}/{whole}/change/")
    assert page.fields.isdisjoint(SHOWN)
    for words in ("40 bytes: 00 ff", "a password", "{1: <class 'object'>}"):
        assert words in page.words
    assert {*TYPED, *SHOWN, "document_null", "token_variant"} == set(PORTABLE)


WRONG: dict[str, dict[str, str]] = {
    "aware": {"aware_0": "yesterday", "aware_1": "x"},
    "wall": {"wall_0": "2020-02-30", "wall_1": "00:00"},
    "clock": {"clock": "25:00"},
    "span": {"span": "long"},
    "document": {"document": "{"},
    "by_name": {"by_name": "#f00"},
    "word_of_list": {"word_of_list": "three"},
    "number": {"number": "NaN"},
    "number_as_float": {"number_as_float": "x"},
    "token_text": {"token_text": "no token"},
    "items": {"items": '["x"]'},
    "address": {"address": '{"city": "x"}'},
    "guid": {"guid": "x"},
    "host": {"host": "10.0.0.7/8"},
    "lower": {"lower": "x" * 41},
    "cents": {"cents": "1e999999"},
    "words": {"words": "[1]"},
    "level": {"level": "7"},
    "epoch": {"epoch_0": "x", "epoch_1": "y"},
}


async def test_what_a_type_cannot_hold_is_an_error_at_its_field(boss: Visitor, rows: Rows) -> None:
    typed = {field: text for given in WRONG.values() for field, text in given.items()}
    page = await boss.edit(f"{rows.page}/add/", name="wrong", **typed)
    assert page.status == 200, page.headers
    assert [name for name in WRONG if not page.error_at(name)] == []


async def test_a_list_shows_orders_filters_and_searches_every_type(
    boss: Visitor, rows: Rows
) -> None:
    key = await rows.add(**WHOLE)
    empty = await rows.add(name="empty")
    columns = [each.key for each in inspect(Assorted).column_attrs]
    order = ".".join(str(number) for number in range(1, len(columns) + 1))
    nothing = "&".join(f"{name}__isnull=True" for name in PORTABLE)
    for asked, found in {
        "q=padded": key,
        f"o={order}": key,
        f"name=empty&{nothing}": empty,
        "wall__year=2013": key,
        "berlin__year=2013&wall__month=2": key,
        "by_name=DARK_BLUE&level=20&yes_no__exact=0": key,
    }.items():
        page = await boss.get(f"{rows.page}/?{asked}")
        assert (page.status, f"/{found}/change/" in page.text) == (200, True), asked
    for name in columns:
        page = await boss.get(f"{rows.page}/?{name}__gte=nonsense")
        assert page.status in (200, 302), name


POSTGRESQL_TYPED: dict[str, tuple[str, Any]] = {
    "whole_array": ("[3, null]", [3, None]),
    "text_array": ('["x"]', ["x"]),
    "day_array": ('["2020-01-02"]', [TYPED_WALL.date()]),
    "aware_array": ('["2020-01-02 03:04:05"]', [TYPED_INSTANT]),
    "number_array": ('["2.5", 3]', [Decimal("2.50"), Decimal("3.00")]),
    "token_array": (f'["{TOKEN}"]', [TOKEN]),
    "document_array": ('[[1], {"a": 2}]', [[1], {"a": 2}]),
    "documents_of_old": ('[{"a": [1]}, "b"]', [{"a": [1]}, "b"]),
    "matrix": ("[[1], [2]]", [[1], [2]]),
    "whole_range": ("[1,5]", Range(1, 6)),
    "big_range": ("(,7)", Range(None, 7, bounds="()")),
    "number_range": ("empty", Range(empty=True)),
    "day_range": ("[2020-01-02,2020-01-05)", Range(TYPED_WALL.date(), dt.date(2020, 1, 5))),
    "wall_range": ("(2020-01-02 03:04:05,]", Range(TYPED_WALL, None, bounds="()")),
    "aware_range": ("[2020-01-02 03:04:05+00:00,)", Range(TYPED_INSTANT, None)),
    "inet": ("::1", ipaddress.ip_address("::1")),
    "cidr": ("10.1.0.0/16", ipaddress.ip_network("10.1.0.0/16")),
    "macaddr": ("08002b:010204", "08:00:2b:01:02:04"),
    "interval": ("1 00:00:01", dt.timedelta(days=1, seconds=1)),
    "jsonb": ("[1]", [1]),
    "pairs": ('{"x": null}', {"x": None}),
    "any_case": ("Text", "Text"),
}
POSTGRESQL_WRONG = {
    "whole_array": "[1.5]",
    "text_array": f'["{"x" * 21}"]',
    "day_array": '["2020-02-30"]',
    "token_array": "{}",
    "documents_of_old": "[[1]]",
    "matrix": "[[1], [2, 3]]",
    "whole_range": "[5,1]",
    "big_range": f"[0,{2**64}]",
    "number_range": "1-2",
    "day_range": "[x,y]",
    "inet": "10.0.0.256",
    "cidr": "10.0.0.1/8",
    "macaddr": "08:00",
    "interval": "x",
    "pairs": '{"a": 1}',
}


@pytest.mark.database("postgresql")
async def test_a_form_over_the_types_of_one_database_keeps_and_takes_their_values(
    postgres_rows: Rows, boss: Visitor
) -> None:
    rows = postgres_rows
    key = await rows.add(name="whole", **POSTGRESQL_WHOLE)
    before = await rows.read(key)
    page = await boss.edit(f"{rows.page}/{key}/change/", name="renamed")
    assert page.status == 302, page.words
    assert await rows.read(key) == {**before, "name": "renamed"}
    typed = {name: text for name, (text, _) in POSTGRESQL_TYPED.items()}
    page = await boss.edit(f"{rows.page}/{key}/change/", **typed)
    assert page.status == 302, page.words
    row = await rows.read(key)
    expected = {name: value for name, (_, value) in POSTGRESQL_TYPED.items()}
    assert {name: row[name] for name in expected} == expected
    page = await boss.edit(f"{rows.page}/{key}/change/", **dict.fromkeys(typed, ""))
    assert page.status == 302, page.words
    emptied = await rows.read(key)
    assert {name: emptied[name] for name in expected} == dict.fromkeys(expected)
    page = await boss.edit(f"{rows.page}/{key}/change/", **typed)
    assert page.status == 302, page.words
    for name, text in POSTGRESQL_WRONG.items():
        page = await boss.edit(f"{rows.page}/{key}/change/", **{name: text})
        assert (page.status, bool(page.error_at(name))) == (200, True), name
    assert await rows.read(key) == row
    order = ".".join(str(number) for number in range(1, len(POSTGRESQL) + 3))
    for asked in (f"o={order}", "q=renamed", "whole_array__isnull=False"):
        page = await boss.get(f"{rows.page}/?{asked}")
        assert (page.status, f"/{key}/change/" in page.text) == (200, True), asked
    for name in POSTGRESQL:
        page = await boss.get(f"{rows.page}/?{name}__gte=nonsense")
        assert page.status in (200, 302), name
