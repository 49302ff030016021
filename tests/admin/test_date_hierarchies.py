"""The years, months and days above a list, of datetimes as SQLAlchemy stores them."""

import asyncio
import datetime as dt
import re
from typing import Any

import pytest
from sqlalchemy import delete
from sqlalchemy.orm import Session

from tests.admin.assorted.models import Assorted
from tests.admin.house import House, engine_of
from trivet.data.sqlite import keep_zones

pytestmark = pytest.mark.anyio

LIST = "/admin/assorted/assorted/"
CLOCKS = ["wall", "berlin"]
INSTANTS = ["aware", "zoned", "unzoned"]


def at(*parts: int) -> dt.datetime:
    return dt.datetime(*parts)  # type: ignore[arg-type]  # noqa: DTZ001  # of a clock


TIMES = [
    at(2024, 12, 31, 23, 59, 59, 999999),
    at(2025, 3, 30, 0, 30),  # in Berlin, the night without an hour
    at(2025, 3, 30, 23, 30),
    at(2025, 3, 31),
    at(2025, 11, 1, 12),
]


@pytest.fixture
async def house(assorted_house: House) -> House:
    """With a row for each of the times, in all columns."""
    await asyncio.to_thread(_fill, assorted_house.platform.settings.database_url)
    return assorted_house


def _fill(url: str) -> None:
    engine = engine_of(url)
    keep_zones(engine.dialect)
    with Session(engine) as session:
        session.execute(delete(Assorted))
        for number, time in enumerate(TIMES, 1):
            aware = time.replace(tzinfo=dt.UTC)
            given: dict[str, Any] = dict.fromkeys(CLOCKS, time) | dict.fromkeys(INSTANTS, aware)
            session.add(Assorted(id=number, **given))
        session.commit()
    engine.dispose()


def assorted_admin(column: str) -> Any:
    """The admin class, with a hierarchy of `column`."""
    from django.apps import apps
    from django.contrib import admin

    model_admin: Any = admin.site.get_model_admin(apps.get_model("assorted", "Assorted"))
    model_admin.date_hierarchy = column
    return model_admin


@pytest.mark.parametrize("column", [*CLOCKS, *INSTANTS])
@pytest.mark.parametrize(
    ("asked", "found", "offered"),
    [
        ({}, [1, 2, 3, 4, 5], "2024 2025"),
        ({"year": 2024}, [1], "All dates December 2024"),
        ({"year": 2025}, [2, 3, 4, 5], "All dates March 2025 November 2025"),
        ({"year": 2025, "month": 3}, [2, 3, 4], "2025 30 March 31 March"),
        ({"year": 2025, "month": 3, "day": 30}, [2, 3], "March 2025 30 March"),
        ({"year": 2025, "month": 3, "day": 31}, [4], "March 2025 31 March"),
        ({"year": 2025, "month": 4}, [], "2025"),
    ],
)
async def test_a_clock_is_read_as_it_stands_and_an_instant_in_utc(
    house: House, column: str, asked: dict[str, int], found: list[int], offered: str
) -> None:
    model_admin = assorted_admin(column)
    assert model_admin.check() == []
    model_admin.list_display, model_admin.list_filter = ("id",), ()
    query = "&".join(f"{column}__{part}={number}" for part, number in asked.items())
    async with house.visit() as boss:
        page = await boss.get(f"{LIST}?{query}")
    assert page.status == 200
    keys = re.findall(
        r'class="action-select"[^>]*value="(\d+)"|value="(\d+)"[^>]*class="action', page.text
    )
    assert sorted(int(a or b) for a, b in keys) == found
    links = re.search(r'class="toplinks"[^>]*>(.*?)</(nav|div|ul)>', page.text, re.DOTALL)
    shown = re.sub(r"<span.*?</span>|<[^>]+>|&\w+;", " ", links.group(1)) if links else ""
    assert " ".join(shown.split()) == offered


@pytest.mark.parametrize("column", ["clock", "epoch", "number"])
async def test_a_column_that_has_no_days_is_refused(house: House, column: str) -> None:
    assert [each.id for each in assorted_admin(column).check()] == ["admin.E128"]
