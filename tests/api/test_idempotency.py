"""Idempotency-Key: one change for one key, and one answer for every attempt."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.api.keyed_house import House, keyed_house
from tests.api.keyed_notes import REPLAYED, keyed_notes, told

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
        until_answered(each, f"n{key}", f"k{key}")
        for key in range(15)
        for each in (house, second, house)
    ]
    async with asyncio.timeout(60):
        answers = await asyncio.gather(*attempts)
    assert {each.status_code for each in answers} == {201}
    assert sorted(await house.notes()) == sorted(f"n{key}" for key in range(15))
    assert not house.platform.idempotency.turns


async def until_answered(house: House, text: str, key: str) -> httpx2.Response:
    """As a client asks: who finds no connection in time, on a slow machine, comes back."""
    answer: httpx2.Response = await house.post(text, key)
    while answer.status_code == 503:
        assert answer.headers["retry-after"]
        await asyncio.sleep(0.1)
        answer = await house.post(text, key)
    return answer


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
    async with keyed_house(keyed_notes, notes_url, tmp_path, is_proved=False) as house:
        refused = await house.post("one", "k1")
        assert refused.status_code == 422
        assert refused.json()["code"] == "idempotency-key-not-taken"
        assert (await house.notes(), await house.kept()) == ([], 0)
        missing = await house.post("one", None, path="/api/strict")
        assert (missing.status_code, missing.json()["code"]) == (400, "idempotency-key-missing")
        assert (await house.post("one", None)).status_code == 201


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
        keyed_house(keyed_notes, notes_url, tmp_path, **settings) as house,
        keyed_house(keyed_notes, notes_url, tmp_path, **settings) as second,
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
