"""A row that goes straight to JSON is what the read schema makes of its object."""

import datetime as dt
import json
import uuid
from decimal import Decimal
from typing import Any

import anyio.to_thread
import pytest
from sqlalchemy.orm import Session

from tests.api.resource.query_classes import QueryBook, QuerySeat, Status
from tests.api.resource.reading import ANYBODY, desk, store
from trivet import Identity, Platform
from trivet_api.resource.schemas import schema

pytestmark = pytest.mark.anyio

VALUES: dict[str, tuple[Any, ...]] = {
    "text": ('"\\/\b\u2028<ü>\U0001f600', "", "x" * 20, None),
    "whole": (-(2**31), 2**31 - 1, 0, None),
    "double": (0.1 + 0.2, 1e300, 5e-324, -0.0, 1e16, None),
    "single": (0.5, -1.5, 16777216.0, None),
    "decimal": (Decimal("0.100"), Decimal("-999999999.999"), Decimal("1E+3"), None),
    "flag": (True, False, None),
    "status": (Status.LIVE, Status.DRAFT, None),
    "colour": ("red", "blue", None),
    "instant": (
        dt.datetime(1, 1, 1, tzinfo=dt.UTC),
        dt.datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=dt.UTC),
        dt.datetime(2013, 2, 4, 12, 0, 0, 100, tzinfo=dt.timezone(dt.timedelta(hours=5))),
        None,
    ),
    "day": (dt.date(1, 1, 1), dt.date(9999, 12, 31), None),
    "time": (dt.time(0), dt.time(23, 59, 59, 999999), dt.time(12, 0, 0, 5), None),
    "span": (
        dt.timedelta(0), dt.timedelta(days=-1, microseconds=1), dt.timedelta(days=400, hours=5),
        dt.timedelta(seconds=90), None,
    ),
    "uid": (uuid.UUID(int=0), uuid.UUID(int=2**128 - 1), None),
    "document": ({"a": [1, 1.5, None, True, {"ü": "\u2028"}]}, {}, None),
    "raw": (b"", b"\x00\xff" * 5, None),
}  # fmt: skip
COUNT = max(map(len, VALUES.values()))


def seat(at: int) -> QuerySeat:
    values = {name: every[at % len(every)] for name, every in VALUES.items()}
    return QuerySeat(hall="a~,!", number=at, **values)


async def test_every_type_has_one_json(shelves: Platform) -> None:
    await store(shelves, *map(seat, range(COUNT)))
    asking = await anyio.to_thread.run_sync(lambda: desk(shelves, QuerySeat))
    shown = await anyio.to_thread.run_sync(schema, QuerySeat, "read")

    def service(db: Session, _actor: Identity) -> list[Any]:
        every = db.query(QuerySeat).order_by(QuerySeat.hall, QuerySeat.number)
        return [shown.model_validate(vars(each)).model_dump_json() for each in every]

    async with shelves.open_unit(read_only=True) as unit:
        expected = [json.loads(each) for each in await unit.run(service)]
    async with shelves.open_unit(actor=ANYBODY, read_only=True) as unit:
        page = json.loads(await asking.reader.list(unit, b"", shelves))

    assert page["items"] == expected
    assert [list(row) for row in page["items"]] == [list(row) for row in expected]
    assert (await asking.read("a!7E!2C!21~0"))[0] == expected[0]


async def test_a_page_is_written_as_the_schema_would_write_it_byte_by_byte(
    shelves: Platform,
) -> None:
    """Where both write the same text for a number; what is read is the same anyway."""
    await store(shelves, QueryBook(id=1, title="ü", price=Decimal("1.50"), pages=3))
    asking = await anyio.to_thread.run_sync(lambda: desk(shelves, QueryBook))
    shown = await anyio.to_thread.run_sync(schema, QueryBook, "read")

    def service(db: Session, _actor: Identity) -> str:
        return shown.model_validate(vars(db.get_one(QueryBook, 1))).model_dump_json()

    async with shelves.open_unit(actor=ANYBODY, read_only=True) as unit:
        expected = await unit.run(service)
    async with shelves.open_unit(actor=ANYBODY, read_only=True) as unit:
        body, _ = await asking.reader.read(unit, "1")

    assert body.decode() == expected
