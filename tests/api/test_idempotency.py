"""Idempotency-Key: one change for one key, and one answer for every attempt."""

import asyncio
import datetime as dt
import json
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse
from fastapi.routing import APIRoute
from pydantic import BaseModel
from sqlalchemy import insert, text, update

from tests.api.keyed_house import House, keyed_house
from tests.platform.notes import add_note, as_service
from trivet import Conflict
from trivet.data.replicas.client import ClientPosition, enter_client
from trivet.data.replicas.position import BEYOND
from trivet.expired_rows import AT_ONCE
from trivet.idempotency.expiry import KeptAnswers
from trivet.idempotency.tables import IdempotencyKey
from trivet_api import (
    Unit,
    authenticated,
    commits_on,
    idempotency_refused,
    idempotency_required,
    public,
    requires,
    set_etag,
)

pytestmark = pytest.mark.anyio

REPLAYED = "idempotent-replayed"


class NoteIn(BaseModel):
    text: str
    parent: int | None = None


class NoteOut(BaseModel):
    id: int
    text: str


router = APIRouter()


async def add(request: Request, note: NoteIn, unit: Unit) -> NoteOut:
    request.app.state.house.calls.append(note.text)
    made = await unit.run(as_service(add_note), "a", note.text, note.parent)
    return NoteOut(id=made.id, text=made.text)


@router.post("/notes", status_code=201, dependencies=[public])
async def post_note(request: Request, response: Response, note: NoteIn, unit: Unit) -> NoteOut:
    made = await add(request, note, unit)
    response.headers["location"] = f"/api/notes/{made.id}"
    response.set_cookie("crumb", "secret")
    set_etag(response, made.id)
    return made


@router.put("/notes", status_code=201, dependencies=[public])
@router.post("/others", status_code=201, dependencies=[public])
async def other_note(request: Request, note: NoteIn, unit: Unit) -> NoteOut:
    return await add(request, note, unit)


@router.post("/private", dependencies=[requires("notes.add_note")])
async def private_note(request: Request, note: NoteIn, unit: Unit) -> NoteOut:
    return await add(request, note, unit)


@router.post("/waiting", status_code=201, dependencies=[authenticated])
async def waiting_note(request: Request, note: NoteIn, unit: Unit) -> NoteOut:
    made = await add(request, note, unit)
    request.app.state.entered.set()
    await request.app.state.go.wait()
    if request.app.state.house.calls.count(note.text) == 1 and "fails" in note.text:
        raise Conflict("no", "Not the first time.")
    return made


@router.post("/failing/{status}", dependencies=[public])
async def failing_note(status: int, request: Request, note: NoteIn, unit: Unit) -> Response:
    await add(request, note, unit)
    if status == 500:
        raise LookupError
    return JSONResponse({}, status)


@router.post("/step", dependencies=[public])
@commits_on(401)
async def declared_note(request: Request, note: NoteIn, unit: Unit) -> Response:
    await add(request, note, unit)
    return JSONResponse({"next": "code"}, 401)


@router.post("/large", dependencies=[public])
async def large_note(request: Request, note: NoteIn, unit: Unit, size: int = 0) -> Response:
    await add(request, note, unit)
    return Response(b"x" * size)


@router.post("/streams", dependencies=[public])
async def streamed_note(request: Request, note: NoteIn, unit: Unit, how: str = "") -> Response:
    """A stream that nobody could have known of."""
    await add(request, note, unit)

    async def forever() -> AsyncIterator[bytes]:
        while True:
            yield b"more "
            await asyncio.sleep(0)

    async def measured() -> AsyncIterator[bytes]:
        yield b"all "
        try:
            _ = unit.session
        except RuntimeError:  # a stream has no unit, under a key too
            yield b"there"
        else:
            yield b"write"

    if how == "measured":
        return StreamingResponse(measured(), headers={"content-length": "9"})
    return StreamingResponse(forever())


@router.post("/known-stream", response_class=StreamingResponse, dependencies=[public])
async def known_stream(request: Request) -> Any:
    request.app.state.house.calls.append("stream")
    return StreamingResponse(iter([b"more"]))


@router.post("/secret", dependencies=[public, idempotency_refused])
async def secret_note(request: Request, note: NoteIn, unit: Unit) -> NoteOut:
    return await add(request, note, unit)


@router.post("/strict", dependencies=[public, idempotency_required])
async def strict_note(request: Request, note: NoteIn, unit: Unit) -> NoteOut:
    return await add(request, note, unit)


@router.post("/bodiless", dependencies=[public])
async def bodiless(request: Request, unit: Unit) -> int:
    """A plain route, which is answered without FastAPI."""
    return (await add(request, NoteIn(text="bodiless"), unit)).id


@router.delete("/notes", status_code=204, dependencies=[public])
async def delete_nothing(request: Request) -> None:
    """It uses no database at all."""
    request.app.state.house.calls.append("delete")


@router.post("/swallowing", dependencies=[public])
async def swallowing(request: Request, note: NoteIn, unit: Unit) -> NoteOut:
    made = await add(request, note, unit)
    try:
        await unit.session.execute(text("SELECT nothing FROM nowhere"))
    except Exception:  # noqa: BLE001  # what this endpoint is about
        return made
    raise AssertionError


@router.get("/notes", dependencies=[public])
async def read_notes() -> int:
    return 0


class OwnRoute(APIRoute):
    """A class of somebody's own, which stays as FastAPI has it."""


own = APIRouter(route_class=OwnRoute)


@own.post("/own", status_code=201, dependencies=[public])
async def own_note(request: Request, note: NoteIn, unit: Unit) -> NoteOut:
    return await add(request, note, unit)


@own.post("/own-strict", status_code=201, dependencies=[public, idempotency_required])
async def own_strict_note(request: Request, note: NoteIn, unit: Unit) -> NoteOut:
    return await add(request, note, unit)


whole = APIRouter()
whole.include_router(router)
whole.include_router(own)


@pytest.fixture
async def house(notes_url: str, tmp_path: Path) -> AsyncIterator[House]:
    async with keyed_house(whole, notes_url, tmp_path) as house:
        yield house


@pytest.fixture
async def second(notes_url: str, tmp_path: Path) -> AsyncIterator[House]:
    """Another process on the same database."""
    async with keyed_house(whole, notes_url, tmp_path) as house:
        yield house


def told(answer: Any) -> tuple[Any, ...]:
    """What of an answer has to be the same for every attempt."""
    names = ("location", "etag", "content-type", "content-length")
    return answer.status_code, answer.content, *(answer.headers.get(name) for name in names)


@pytest.mark.parametrize("path", ["/api/notes", "/api/own"])
async def test_a_hundred_at_once_make_one_note_and_a_hundred_equal_answers(
    house: House, second: House, path: str
) -> None:
    attempts = [house.post("one", "k1", path=path) for _ in range(60)]
    attempts += [second.post("one", "k1", path=path) for _ in range(40)]
    answers = await asyncio.gather(*attempts)
    assert Counter(map(told, answers)) == {told(answers[0]): 100}
    assert answers[0].status_code == 201
    assert sum(each.headers.get(REPLAYED) == "true" for each in answers) == 99
    assert await house.notes() == [*house.calls, *second.calls] == ["one"]
    assert (await house.publications(), await house.kept()) == (1, 1)


async def test_keys_without_number_at_once_are_all_answered(house: House, second: House) -> None:
    """More keys than connections, each of them three times, in two processes."""
    attempts = [
        each.post(f"n{key}", f"k{key}") for key in range(15) for each in (house, second, house)
    ]
    answers = await asyncio.gather(*attempts)
    assert {each.status_code for each in answers} == {201}
    assert sorted(await house.notes()) == sorted(f"n{key}" for key in range(15))
    assert not house.platform.idempotency.turns


async def test_a_later_attempt_is_answered_from_the_database(house: House, second: House) -> None:
    first = await house.post("one", "k1")
    again = await second.post("one", '"k1"')
    assert told(again) == told(first)
    assert first.headers["location"] == again.headers["location"] == "/api/notes/1"
    assert (REPLAYED in first.headers, again.headers[REPLAYED]) == (False, "true")
    assert first.headers["x-request-id"] != again.headers["x-request-id"]
    assert "set-cookie" in first.headers
    assert "set-cookie" not in again.headers
    assert second.calls == []


OTHERS: dict[str, dict[str, Any]] = {
    "body": {"text": "another"},
    "method": {"method": "PUT"},
    "path": {"path": "/api/others"},
    "query": {"path": "/api/large?size=2"},
    "type": {"headers": {"content-type": "application/json; charset=utf-8"}},
}


async def test_another_request_under_a_key_is_refused(house: House) -> None:
    for other, given in OTHERS.items():
        path = "/api/large?size=1" if other == "query" else "/api/notes"
        assert (await house.post(other, other, path=path)).is_success
        answer = await house.post(**{"text": other, "key": other, **given})
        assert answer.status_code == 422, other
        assert answer.json()["code"] == "idempotency-key-reused", other
        (fault,) = answer.json()["errors"]
        assert (fault["in"], fault["pointer"]) == ("header", "/idempotency-key")
    assert await house.notes() == list(OTHERS)


async def test_mixed_bodies_at_once_make_one_note(house: House, second: House) -> None:
    attempts = [
        each.post(f"body {number % 5}", "k1") for number in range(20) for each in (house, second)
    ]
    answers = await asyncio.gather(*attempts)
    (text_,) = await house.notes()
    made = {each.json()["text"] for each in answers if each.status_code == 201}
    assert made == {text_}
    assert {each.status_code for each in answers} == {201, 422}
    assert sum(each.status_code == 201 for each in answers) == 8


async def test_each_user_has_keys_of_ones_own(house: House) -> None:
    assert (await house.post("one", "k1", user="1")).status_code == 201
    answer = await house.post("two", "k1", user="2")
    assert (answer.status_code, REPLAYED in answer.headers) == (201, False)
    assert await house.kept() == 2


async def test_nobody_has_no_keys(house: House) -> None:
    headers = {"idempotency-key": "k1"}
    answer = await house.client.post("/api/notes", json={"text": "one"}, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (401, "not-authenticated")
    assert "Idempotency-Key" in answer.json()["detail"]
    assert house.calls == []


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


async def test_a_route_that_uses_no_data_is_done_once_too(house: House) -> None:
    answers = [await house.post("", "k1", method="DELETE") for _ in range(3)]
    assert [each.status_code for each in answers] == [204, 204, 204]
    assert house.calls == ["delete"]


async def test_a_plain_route_is_done_once_too(house: House) -> None:
    headers = {"x-user": "1", "idempotency-key": "k1"}
    first, again = [await house.client.post("/api/bodiless", headers=headers) for _ in "12"]
    assert told(first) == told(again)
    assert house.calls == ["bodiless"]
    other = await house.client.post("/api/bodiless", headers=headers, content=b"{}")
    assert other.status_code == 422


BAD_KEYS = {
    "empty": [b""],
    "blank": [b"  "],
    "empty in quotes": [b'""'],
    "too long": [b"k" * 256],
    "too long in quotes": [b'"' + b"k" * 256 + b'"'],
    "no ASCII": ["schlüssel".encode()],
    "latin-1": ["schlüssel".encode("latin-1")],
    "two lines": [b"a", b"b"],
    "the same twice": [b"a", b"a"],
    "a list": [b"a, b"],
    "two in quotes": [b'"a", "b"'],
    "open quotes": [b'"a'],
    "parameters": [b'"a";b=1'],
    "a space": [b"a b"],
    "a wrong escape": [b'"a\\b"'],
}


async def test_what_is_no_key_is_refused_with_its_place(house: House) -> None:
    for kind, lines in BAD_KEYS.items():
        headers = [(b"x-user", b"1"), *((b"idempotency-key", line) for line in lines)]
        answer = await house.client.post("/api/notes", json={"text": "one"}, headers=headers)
        assert answer.status_code == 400, kind
        assert answer.json()["code"] == "bad-idempotency-key", kind
        (fault,) = answer.json()["errors"]
        assert (fault["in"], fault["pointer"]) == ("header", "/idempotency-key")
    assert house.calls == []


KEYS = [b"k" * 255, b'"a, b"', b'"a;\\"b\\""', b"a/b+c=", b"0-0", b"'a'"]


async def test_whatever_is_a_key_is_taken(house: House) -> None:
    for number, line in enumerate(KEYS):
        headers = [(b"x-user", b"1"), (b"idempotency-key", line)]
        note = {"text": f"note {number}"}
        answers = [await house.client.post("/api/notes", json=note, headers=headers) for _ in "12"]
        assert [each.status_code for each in answers] == [201, 201], line
        assert REPLAYED in answers[1].headers
    assert await house.kept() == len(KEYS)


async def test_an_answer_that_is_too_large_undoes_the_change(
    notes_url: str, tmp_path: Path
) -> None:
    async with keyed_house(whole, notes_url, tmp_path, idempotency_answer_bytes=1024) as house:
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


async def test_a_route_that_takes_no_key_does_nothing_with_one(house: House) -> None:
    for path in ("/api/known-stream", "/api/secret"):
        answer = await house.post("one", "k1", path=path)
        assert (answer.status_code, answer.json()["code"]) == (422, "idempotency-key-not-taken")
        assert house.calls == []
    for path in ("/api/known-stream", "/api/secret"):
        assert (await house.post("one", None, path=path)).is_success


async def test_a_route_may_demand_a_key(house: House) -> None:
    for path in ("/api/strict", "/api/own-strict"):
        answer = await house.post(path, None, path=path)
        assert (answer.status_code, answer.json()["code"]) == (400, "idempotency-key-missing")
        assert answer.json()["errors"][0]["pointer"] == "/idempotency-key"
        assert path not in house.calls
        assert (await house.post(path, path, path=path)).is_success


async def test_routes_that_are_fastapis_own_do_nothing_under_a_key_and_demand_one(
    notes_url: str, tmp_path: Path
) -> None:
    async with keyed_house(whole, notes_url, tmp_path, is_proved=False) as house:
        refused = await house.post("one", "k1")
        assert refused.status_code == 422
        assert refused.json()["code"] == "idempotency-key-not-taken"
        assert (await house.notes(), await house.kept()) == ([], 0)
        missing = await house.post("one", None, path="/api/strict")
        assert (missing.status_code, missing.json()["code"]) == (400, "idempotency-key-missing")
        assert (await house.post("one", None)).status_code == 201


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


async def test_a_request_waits_for_another_one_and_gets_its_answer(
    house: House, second: House
) -> None:
    async with asyncio.timeout(60):
        first = asyncio.create_task(house.post("slow", "k1", path="/api/waiting"))
        await house.app.state.entered.wait()
        others = [
            asyncio.create_task(each.post("slow", "k1", path="/api/waiting"))
            for each in (house, second)
        ]
        await asyncio.sleep(0.1)
        assert not any(each.done() for each in others)
        house.app.state.go.set()
        answers = [await first, *[await each for each in others]]
    assert {told(each) for each in answers} == {told(answers[0])}
    assert [*house.calls, *second.calls] == ["slow"]


async def test_a_wait_is_bounded(notes_url: str, tmp_path: Path) -> None:
    settings: dict[str, Any] = {"idempotency_wait_seconds": 0.2}
    async with (
        keyed_house(whole, notes_url, tmp_path, **settings) as house,
        keyed_house(whole, notes_url, tmp_path, **settings) as second,
        asyncio.timeout(60),
    ):
        first = asyncio.create_task(house.post("slow", "k1", path="/api/waiting"))
        await house.app.state.entered.wait()
        # On SQLite another process waits for the database itself.
        processes = [house] if house.platform.database.is_sqlite else [house, second]
        for each in processes:
            answer = await each.post("slow", "k1", path="/api/waiting")
            assert (answer.status_code, answer.json()["code"]) == (409, "idempotency-key-in-use")
            assert int(answer.headers["retry-after"]) >= 1
        house.app.state.go.set()
        assert (await first).status_code == 201
        assert (await second.post("slow", "k1", path="/api/waiting")).status_code == 201
        assert second.calls == []


@pytest.mark.parametrize("elsewhere", [False, True])
async def test_who_waited_for_a_failure_goes_to_work(
    house: House, second: House, elsewhere: bool
) -> None:
    async with asyncio.timeout(60):
        first = asyncio.create_task(house.post("fails once", "k1", path="/api/waiting"))
        await house.app.state.entered.wait()
        other = second if elsewhere else house
        if elsewhere:
            other.calls.append("fails once")  # the endpoint fails at its first call
        waiting = asyncio.create_task(other.post("fails once", "k1", path="/api/waiting"))
        await asyncio.sleep(0.05)
        house.app.state.go.set()
        second.app.state.go.set()
        assert (await first).status_code == 409
        assert (await waiting).status_code == 201
    assert await house.notes() == ["fails once"]


async def test_who_leaves_while_waiting_or_working_leaves_nothing(house: House) -> None:
    async with asyncio.timeout(60):
        first = asyncio.create_task(house.post("gone", "k1", path="/api/waiting"))
        await house.app.state.entered.wait()
        waiting = asyncio.create_task(house.post("gone", "k1", path="/api/waiting"))
        await asyncio.sleep(0.05)
        waiting.cancel()
        first.cancel()
        await asyncio.gather(first, waiting, return_exceptions=True)
        assert not house.platform.idempotency.turns
        assert (await house.notes(), await house.kept()) == ([], 0)
        house.app.state.go.set()
        assert (await house.post("gone", "k1", path="/api/waiting")).status_code == 201


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
