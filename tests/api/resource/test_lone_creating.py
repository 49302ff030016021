"""A client cannot tell whether the row that it creates was written by a session or without one."""

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx2
import pytest
from sqlalchemy import event, text
from sqlalchemy.orm import Session

from tests.api.resource.bookshop_api import BOOKSHOP, LABELS, NOVELS, PLACES, open_bookshop
from tests.api.resource.tables import WHO, make_tables
from tests.platform.bare import client_of
from trivet.asgi.root import Root
from trivet.data.database import Database

pytestmark = [pytest.mark.anyio, pytest.mark.database("postgresql")]

COUNTER = "tests.api.resource.counter"
MINIMAL = {"prefer": "return=minimal"}
OF_ITS_OWN = {"id", "x-request-id", "request_id"}
"""What differs from one request to the next."""


@dataclass(frozen=True)
class Post:
    """A request; `%d` in its body is another number each time."""

    path: str
    body: dict[str, Any]
    headers: dict[str, str] | None = None
    alone: bool = True


NOVEL = {"title": "Emma", "isbn": "%d"}
POSTS = {
    "a row": Post(NOVELS, NOVEL),
    "a row with all its columns": Post(NOVELS, {**NOVEL, "sold": True}),
    "a key that is given": Post(PLACES, {"mark": "a/b %d", "room": "cellar"}),
    "a row of which nobody wants a body": Post(NOVELS, NOVEL, MINIMAL),
    "a row without members": Post(NOVELS, {**NOVEL, "labels": []}, alone=False),
    "a row under a key": Post(NOVELS, NOVEL, {"idempotency-key": "k%d"}, alone=False),
    "a row by a service": Post(LABELS, {"word": "w%d"}, alone=False),
    "a text that is taken": Post(NOVELS, {"title": "Emma", "isbn": "taken"}, alone=False),
    "a text that is too long": Post(PLACES, {"mark": "x" * 21, "room": "r"}, alone=False),
    "a text with a NUL": Post(PLACES, {"mark": "x\0", "room": "r"}, alone=False),
    "a member that is not there": Post(NOVELS, {**NOVEL, "labels": [10**6]}, alone=False),
    "a column that is unknown": Post(NOVELS, {**NOVEL, "version": 4}, alone=False),
    "a column that is missing": Post(NOVELS, {"title": "Emma"}, alone=False),
}


@pytest.fixture
def feature() -> str:
    return BOOKSHOP


@pytest.fixture
def root(fresh_database_url: str, feature: str) -> Root:
    make_tables(fresh_database_url)
    return open_bookshop(fresh_database_url, WHO.get, feature=feature)


@pytest.fixture
async def client(root: Root) -> AsyncIterator[httpx2.AsyncClient]:
    async with client_of(root) as client:
        client.headers["x-badge"] = "clerk"
        yield client
    await root.platform.database.close()


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Whether each row that was tried without a session was written so."""
    found: list[bool] = []
    insert = Database.insert_alone

    async def watch(*args: Any) -> Any:
        inserted = await insert(*args)
        found.append(inserted is not None)
        return inserted

    monkeypatch.setattr(Database, "insert_alone", watch)
    return found


@contextmanager
def only_sessions() -> Iterator[None]:
    """Who listens to flushes has them all."""

    def hear(*_: Any) -> None: ...

    event.listen(Session, "before_flush", hear)
    try:
        yield
    finally:
        event.remove(Session, "before_flush", hear)


def numbered(values: dict[str, Any], number: int) -> dict[str, Any]:
    return {
        name: value.replace("%d", str(number)) if isinstance(value, str) else value
        for name, value in values.items()
    }


async def send(client: httpx2.AsyncClient, root: Root, post: Post, number: int) -> Any:
    """What is answered, without what differs from row to row."""
    # Two connections that were used just now: one may be taken by what comes before the row.
    async with root.platform.open_unit() as one, root.platform.open_unit() as other:
        for unit in (one, other):
            await unit.session.execute(text("SELECT 1"))
    headers = numbered(post.headers or {}, number)
    answer = await client.post(post.path, json=numbered(post.body, number), headers=headers)
    said = {name: value for name, value in answer.headers.items() if name not in OF_ITS_OWN}
    if "etag" in said:
        said["etag"] = str(len(said["etag"]))  # a digest, where the row has no version
    if "location" in said:
        said["location"] = said["location"].rpartition("/")[0]
    body = answer.json() if answer.content else {}
    body = {name: value for name, value in body.items() if name not in OF_ITS_OWN}
    return answer.status_code, said, json.dumps(body).replace(str(number), "%d")


@pytest.mark.parametrize("name", POSTS)
async def test_an_answer_is_the_same_by_both_ways(
    client: httpx2.AsyncClient, root: Root, alone: list[bool], name: str
) -> None:
    post = POSTS[name]
    await client.post(NOVELS, json={"title": "Emma", "isbn": "taken"})
    alone.clear()
    without = await send(client, root, post, 7771)
    assert (True in alone) == post.alone
    with only_sessions():
        by_session = await send(client, root, post, 7772)
    assert without == by_session


async def test_a_row_that_was_made_alone_is_read_and_signed(
    client: httpx2.AsyncClient, root: Root, alone: list[bool]
) -> None:
    await client.get(f"{NOVELS}/1")
    made = await client.post(NOVELS, json={"title": "Emma", "isbn": "7"})
    if True not in alone:  # the first connection was made for it
        made = await client.post(NOVELS, json={"title": "Emma", "isbn": "8"})
    assert True in alone
    read = await client.get(made.headers["location"])
    assert (read.json(), read.headers["etag"]) == (made.json(), made.headers["etag"])
    async with root.platform.database.unit(read_only=True) as session:
        entry = await session.execute(
            text(
                "SELECT actor, origin, request_id, row_key FROM trivet_audit_entry "
                "ORDER BY id DESC LIMIT 1"
            )
        )
        asked = made.headers["x-request-id"]
        assert entry.one() == ("clerk", "api", asked, str(made.json()["id"]))


@pytest.mark.parametrize("feature", [COUNTER])
async def test_what_a_dependency_has_written_is_in_the_same_transaction(
    client: httpx2.AsyncClient, root: Root, alone: list[bool]
) -> None:
    places = "/api/counter/places"
    for mark, status in (("a", 201), ("a", 409)):
        answer = await client.post(places, json={"mark": mark, "room": "r"})
        assert answer.status_code == status, answer.text
        await client.post(places, json={"mark": mark, "room": "r"})
    assert alone == []
    async with root.platform.database.unit(read_only=True) as session:
        assert await session.scalar(text("SELECT count(*) FROM bookshop_label")) == 1
