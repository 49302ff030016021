"""A number in a body is no date, unless the schema asks for numbers."""

import datetime as dt
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated, Any

import httpx2
import pytest
from fastapi import APIRouter, Body, FastAPI
from pydantic import BaseModel, BeforeValidator, Field, field_validator
from starlette.types import ASGIApp

from tests.platform.bare import bare_root, client_of, mounted
from trivet import public
from trivet_api.include import include
from trivet_api.problems import install_problems

pytestmark = pytest.mark.anyio


def _since_1970(value: Any) -> Any:
    return dt.datetime.fromtimestamp(value, dt.UTC) if isinstance(value, int) else value


class Leg(BaseModel):
    departs: dt.datetime
    parts: "list[Leg]" = Field(default_factory=list)


class Journey(BaseModel):
    day: dt.date | None = None
    legs: list[Leg] = Field(default_factory=list)
    by_name: dict[str, dt.time] = Field(default_factory=dict)
    arrives: dt.datetime | None = Field(None, alias="arrivesAt")
    takes: dt.timedelta | None = None
    seats: int | None = None
    either: dt.datetime | int | None = None
    word: dt.date | str | None = None
    stamp: Annotated[dt.datetime | None, BeforeValidator(_since_1970)] = None
    checked: dt.datetime | None = None

    @field_validator("checked", mode="before")
    @classmethod
    def _check(cls, value: Any) -> Any:
        return _since_1970(value)


router = APIRouter(dependencies=[])


@router.post("/journeys", dependencies=[public])
async def add(journey: Journey) -> dict[str, Any]:
    return journey.model_dump(mode="json", exclude_unset=True)


@router.post("/days", dependencies=[public])
async def add_days(first: Annotated[dt.date, Body()], last: Annotated[dt.date, Body()]) -> str:
    return f"{first} {last}"


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[httpx2.AsyncClient]:
    api = FastAPI()
    install_problems(api)
    include(api, router)
    app: ASGIApp = api
    async with client_of(bare_root(tmp_path, [mounted(app)])) as client:
        yield client


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"day": 0}, "/day"),
        ({"day": 20130204}, "/day"),
        ({"day": "20130204"}, "/day"),
        ({"arrivesAt": 1.5e9}, "/arrivesAt"),
        ({"arrivesAt": "1500000000"}, "/arrivesAt"),
        ({"legs": [{"departs": "2013-02-04T05:00Z"}, {"departs": -1}]}, "/legs/1/departs"),
        (
            {"legs": [{"departs": "2013-02-04T05:00Z", "parts": [{"departs": 5}]}]},
            "/legs/0/parts/0/departs",
        ),
        ({"by_name": {"tea": 3600}}, "/by_name/tea"),
    ],
)
async def test_a_number_is_no_date_wherever_it_stands(
    client: httpx2.AsyncClient, body: dict[str, Any], pointer: str
) -> None:
    answer = await client.post("/app/journeys", json=body)
    assert answer.status_code == 422, answer.text
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]
    assert "NotTime" not in answer.text


@pytest.mark.parametrize(
    "body",
    [
        {"day": "2013-02-04", "arrivesAt": "2013-02-04T05:00:00Z", "by_name": {"tea": "16:00"}},
        {"takes": 90, "seats": 3},
        {"either": 1500000000, "stamp": 1500000000, "checked": 1500000000},
        {"word": "20130204"},
        {"day": None, "legs": []},
    ],
)
async def test_a_text_is_a_date_and_a_number_what_asks_for_one(
    client: httpx2.AsyncClient, body: dict[str, Any]
) -> None:
    answer = await client.post("/app/journeys", json=body)
    assert answer.status_code == 200, answer.text


async def test_each_of_several_values_of_a_body_is_judged(client: httpx2.AsyncClient) -> None:
    good = {"first": "2013-02-04", "last": "2013-02-10"}
    assert (await client.post("/app/days", json=good)).json() == "2013-02-04 2013-02-10"
    answer = await client.post("/app/days", json={**good, "last": 7})
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/last")
