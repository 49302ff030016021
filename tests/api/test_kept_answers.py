"""What is kept under an Idempotency-Key, for whom and how long, and what leaves the key free."""

import asyncio
import datetime as dt
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import insert, text, update

from tests.api.keyed_house import House, keyed_house
from tests.api.keyed_notes import REPLAYED, keyed_notes
from trivet.data.replicas.client import ClientPosition, enter_client
from trivet.data.replicas.position import BEYOND
from trivet.expired_rows import AT_ONCE
from trivet.idempotency.expiry import KeptAnswers
from trivet.idempotency.tables import IdempotencyKey

pytestmark = pytest.mark.anyio


@pytest.fixture
async def house(notes_url: str, tmp_path: Path) -> AsyncIterator[House]:
    async with keyed_house(keyed_notes, notes_url, tmp_path) as house:
        yield house


@pytest.fixture
async def second(notes_url: str, tmp_path: Path) -> AsyncIterator[House]:
    """Another process on the same database."""
    async with keyed_house(keyed_notes, notes_url, tmp_path) as house:
        yield house


async def test_what_was_undone_leaves_the_key_free(house: House) -> None:
    for status in (400, 404, 409, 422, 500):
        for _ in "12":
            answer = await house.post("one", "k1", path=f"/api/failing/{status}")
            assert (answer.status_code, REPLAYED in answer.headers) == (status, False)
    assert len(house.calls) == 10
    assert (await house.notes(), await house.kept()) == ([], 0)
    assert (await house.post("one", "k1")).status_code == 201


async def test_a_refusal_by_the_policy_or_for_the_body_leaves_the_key_free(house: House) -> None:
    assert (await house.post("one", "k1", path="/api/private")).status_code == 403
    answer = await house.client.post(
        "/api/notes", json={}, headers={"x-user": "1", "idempotency-key": "k1"}
    )
    assert answer.status_code == 422
    assert await house.kept() == 0
    assert (await house.post("one", "k1")).status_code == 201


async def test_a_commit_that_fails_leaves_the_key_free(house: House) -> None:
    headers = {"x-user": "1", "idempotency-key": "k1"}
    orphan = {"text": "orphan", "parent": 999}
    answer = await house.client.post("/api/notes", json=orphan, headers=headers)
    assert answer.status_code == 409
    assert (await house.notes(), await house.kept()) == ([], 0)
    assert (await house.post("one", "k1")).status_code == 201


async def test_a_swallowed_error_is_no_success_under_a_key_either(house: House) -> None:
    answer = await house.post("one", "k1", path="/api/swallowing")
    if house.platform.database.is_sqlite:
        assert answer.status_code == 200
        return
    assert answer.status_code == 500
    assert (await house.notes(), await house.kept()) == ([], 0)


async def test_a_refusal_that_is_an_outcome_is_kept(house: House) -> None:
    first = await house.post("one", "k1", path="/api/step")
    again = await house.post("one", "k1", path="/api/step")
    assert first.status_code == again.status_code == 401
    assert (first.json(), REPLAYED in first.headers) == ({"next": "code"}, False)
    assert (again.json(), REPLAYED in again.headers) == ({"next": "code"}, True)
    assert await house.notes() == ["one"]


async def test_an_answer_that_is_too_large_undoes_the_change(
    notes_url: str, tmp_path: Path
) -> None:
    async with keyed_house(
        keyed_notes, notes_url, tmp_path, idempotency_answer_bytes=1024
    ) as house:
        for size in (1025, 500_000):
            answer = await house.post("one", "k1", path=f"/api/large?size={size}")
            assert (answer.status_code, answer.json()["code"]) == (422, "answer-too-large")
        assert (await house.notes(), await house.kept()) == ([], 0)
        for _ in "12":
            assert len((await house.post("one", "k1", path="/api/large?size=1024")).content) == 1024
        assert await house.notes() == ["one"]


async def test_a_stream_undoes_the_change_and_one_of_known_length_is_kept(house: House) -> None:
    async with asyncio.timeout(60):
        answer = await house.post("one", "k1", path="/api/streams")
    assert (answer.status_code, answer.json()["code"]) == (422, "answer-is-a-stream")
    assert (await house.notes(), await house.kept()) == ([], 0)
    path = "/api/streams?how=measured"
    first, again = [await house.post("one", "k1", path=path) for _ in "12"]
    assert first.content == again.content == b"all there"
    assert await house.notes() == ["one"]


async def test_who_has_lost_the_permission_is_refused_and_not_answered(house: House) -> None:
    able = "1:notes.add_note,notes.view_note"
    assert (await house.post("one", "k1", able, path="/api/private")).status_code == 200
    lost = await house.post("one", "k1", "1:notes.view_note", path="/api/private")
    assert (lost.status_code, lost.json()["code"]) == (403, "permission-denied")
    less = await house.post("one", "k1", "1:notes.add_note", path="/api/private")
    assert (less.status_code, less.json()["code"]) == (403, "permissions-changed")
    again = await house.post("one", "k1", able, path="/api/private")
    assert (again.status_code, again.headers[REPLAYED]) == (200, "true")
    assert house.calls == ["one"]


@pytest.mark.database("postgresql")
async def test_who_is_given_a_kept_answer_reads_what_it_says_from_replicas_too(
    house: House, second: House
) -> None:
    async def attempt(each: House, key: str) -> ClientPosition:
        client = ClientPosition()
        leave = enter_client(client)
        assert (await each.post(f"of {key}", key)).status_code == 201
        leave()
        return client

    first = await attempt(house, "k1")
    later = await attempt(second, "k1")
    assert first.written is not None
    assert later.written is not None
    assert first.written <= later.written < BEYOND
    waiting = await asyncio.gather(*(attempt(house, "k2") for _ in range(5)))
    assert {each.written for each in waiting} == {waiting[0].written}
    assert waiting[0].written is not None
    assert later.written < waiting[0].written < BEYOND


async def test_a_key_past_its_time_is_new_again(house: House) -> None:
    await house.post("one", "k1")
    await make_older(house, hours=25)
    answer = await house.post("two", "k1")
    assert (answer.status_code, REPLAYED in answer.headers) == (201, False)
    again = await house.post("two", "k1")
    assert again.json() == answer.json()
    assert (await house.notes(), await house.kept()) == (["one", "two"], 1)


@pytest.mark.parametrize("count", [0, AT_ONCE + 2])
async def test_what_is_past_its_time_is_removed_and_nothing_else(house: House, count: int) -> None:
    now = dt.datetime.now(dt.UTC)
    row = {
        "user_id": 1,
        "fingerprint": "",
        "authority": "",
        "request_id": "",
        "created_at": now - dt.timedelta(hours=24, seconds=1),
        "status": 200,
        "headers": "[]",
        "body": b"",
    }
    rows = [{**row, "key": f"old {number}"} for number in range(count)]
    rows.append({**row, "key": "new", "created_at": now - dt.timedelta(hours=23)})
    async with house.platform.database.engine.begin() as connection:
        await connection.execute(insert(IdempotencyKey), rows)
    kept = KeptAnswers(house.platform.database, 24)
    both = await asyncio.gather(kept.remove(), kept.remove())
    assert (sum(both), await house.kept()) == (count, 1)


async def make_older(house: House, hours: float) -> None:
    older = dt.datetime.now(dt.UTC) - dt.timedelta(hours=hours)
    async with house.platform.database.engine.begin() as connection:
        await connection.execute(update(IdempotencyKey).values(created_at=older))


async def test_without_a_key_and_in_a_safe_method_nothing_is_kept(house: House) -> None:
    assert (await house.post("one", None)).status_code == 201
    assert (await house.post("two", None)).status_code == 201
    for _ in "12":
        headers = {"x-user": "1", "idempotency-key": "k1"}
        answer = await house.client.get("/api/notes", headers=headers)
        assert (answer.status_code, REPLAYED in answer.headers) == (200, False)
    assert (await house.notes(), await house.kept()) == (["one", "two"], 0)


async def test_nothing_that_is_kept_is_a_cookie(house: House) -> None:
    await house.post("one", "k1")
    async with house.platform.database.unit(read_only=True) as session:
        kept = await session.scalar(text("SELECT headers FROM trivet_idempotency_key"))
    assert {name for name, _ in json.loads(str(kept))} == {
        "content-length",
        "content-type",
        "etag",
        "location",
    }
