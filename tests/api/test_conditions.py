"""Conditional requests: the comparison of RFC 9110, and what compressing proxies make of tags."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated, Any

import httpx2
import pytest
from fastapi import APIRouter, FastAPI, Response
from fastapi.responses import PlainTextResponse
from pydantic import BaseModel

from tests.platform.bare import bare_platform, client_of
from trivet.asgi.mount import MountedApp
from trivet.asgi.root import build_root
from trivet_api import Conditions, public, set_etag
from trivet_api.answers import HttpAnswers
from trivet_api.direct import answer_directly
from trivet_api.include import include
from trivet_api.policy import PolicyRoute
from trivet_api.problems import install_problems

pytestmark = pytest.mark.anyio

SINCE = "Mon, 04 Feb 2013 10:00:00 GMT"
CURRENT = 7


class Page(BaseModel):
    version: int


router = APIRouter()


@router.get("/page", dependencies=[public])
async def read_page(response: Response) -> Page:
    set_etag(response, CURRENT)
    response.headers["cache-control"] = "private, max-age=5"
    return Page(version=CURRENT)


@router.put("/page", dependencies=[public])
async def write_page(conditions: Conditions) -> Page:
    conditions.require(CURRENT)
    return Page(version=CURRENT + 1)


@router.put("/new", dependencies=[public])
async def create_page(conditions: Conditions) -> Page:
    conditions.require(None)
    return Page(version=1)


@router.get("/weak", dependencies=[public])
async def read_weak() -> Response:
    return PlainTextResponse("7", headers={"etag": 'W/"7"', "last-modified": SINCE})


@router.get("/dated", dependencies=[public])
async def read_dated(status: Annotated[int, "answered"] = 200) -> Response:
    return PlainTextResponse("7", status, headers={"last-modified": SINCE})


def make_app() -> Any:
    app = FastAPI()
    app.router.route_class = PolicyRoute
    install_problems(app)
    include(app, router)
    return HttpAnswers(app, answer_directly(app))


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[httpx2.AsyncClient]:
    mounted = MountedApp("api", "/api", make_app(), lifespan=False)
    async with client_of(build_root(bare_platform(tmp_path), [mounted])) as client:
        yield client


MATCH = [
    (['"7"'], True),
    (['"6"', '"7"'], True),
    (['"6", "7"'], True),
    (['"6","7" ,\t"8"'], True),
    (['"a,b", "7"'], True),
    (["*"], True),
    (['W/"7"'], True),
    (['"7-gzip"'], True),
    (['"7--gzip"'], True),
    (['W/"7-br"'], True),
    (['"7;zstd"'], True),
    ([',,"7",'], True),
    (['"6"'], False),
    (['"77"'], False),
    (['"7-gzip-7"'], False),
    (["7"], False),
    (['"7'], False),
    (['w/"7"'], False),
    (['"7" "7"'], False),
    (["*, *"], False),
    ([""], False),
]


@pytest.mark.parametrize(("lines", "holds"), MATCH, ids=repr)
async def test_a_condition_of_a_change_holds_or_the_change_is_412(
    client: httpx2.AsyncClient, lines: list[str], holds: bool
) -> None:
    insisting = [("if-match", line) for line in lines]
    answer = await client.put("/api/page", headers=insisting)
    assert answer.status_code == (200 if holds else 412), answer.text
    read = await client.get("/api/page", headers=insisting)
    assert read.status_code == (200 if holds else 412)

    excluding = [("if-none-match", line) for line in lines]
    answer = await client.put("/api/page", headers=excluding)
    assert answer.status_code == (412 if holds else 200), answer.text
    read = await client.get("/api/page", headers=excluding)
    assert read.status_code == (304 if holds else 200)


async def test_a_304_says_what_the_answer_would_and_has_no_body(client: httpx2.AsyncClient) -> None:
    whole = await client.get("/api/page")
    answer = await client.get("/api/page", headers={"if-none-match": whole.headers["etag"]})
    assert (answer.status_code, answer.content) == (304, b"")
    for name in ("etag", "cache-control", "vary"):
        assert answer.headers[name] == whole.headers[name], name
    assert "content-type" not in answer.headers
    assert "content-length" not in answer.headers


async def test_what_is_not_there_fits_no_tag_and_may_be_made(client: httpx2.AsyncClient) -> None:
    for lines, status in ((["*"], 412), (['"1"'], 412), ([], 200)):
        headers = [("if-match", line) for line in lines]
        assert (await client.put("/api/new", headers=headers)).status_code == status, lines
    for line in ("*", '"1"'):
        answer = await client.put("/api/new", headers={"if-none-match": line})
        assert answer.status_code == 200


async def test_a_tag_that_is_weak_from_the_start_matches_weakly_only(
    client: httpx2.AsyncClient,
) -> None:
    for tag in ('W/"7"', '"7"'):
        assert (await client.get("/api/weak", headers={"if-none-match": tag})).status_code == 304
        assert (await client.get("/api/weak", headers={"if-match": tag})).status_code == 412


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("dated", {"if-modified-since": SINCE}, 304),
        ("dated", {"if-modified-since": "Tue, 05 Feb 2013 10:00:00 GMT"}, 304),
        ("dated", {"if-modified-since": "Sun, 03 Feb 2013 10:00:00 GMT"}, 200),
        ("dated", {"if-modified-since": "yesterday"}, 200),
        ("dated?status=404", {"if-modified-since": SINCE}, 404),
        ("dated?status=404", {"if-none-match": "*"}, 404),
        ("weak", {"if-modified-since": SINCE, "if-none-match": '"6"'}, 200),
    ],
)
async def test_the_date_counts_where_no_tag_is_named_and_of_successes_only(
    client: httpx2.AsyncClient, path: str, headers: dict[str, str], status: int
) -> None:
    assert (await client.get(f"/api/{path}", headers=headers)).status_code == status
    head = await client.head(f"/api/{path}", headers=headers)
    assert (head.status_code, head.content) == (status, b"")


def test_what_cannot_stand_in_a_tag_is_refused() -> None:
    for version in ('a"b', "a b", "é\n"):
        with pytest.raises(ValueError, match="cannot stand in an ETag"):
            set_etag(Response(), version)
