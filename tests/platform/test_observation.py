"""The seam for observation: who is called, what a failing listener does, and the pool's waits."""

import asyncio
import logging
from pathlib import Path
from typing import Any

import anyio
import pytest
from sqlalchemy import text
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route, Router

from tests.platform.bare import bare_root, client_of, mounted
from trivet import Forbidden
from trivet.data.capture import Capture
from trivet.data.database import Database
from trivet.observation import (
    Observers,
    PoolWaited,
    QueuesMeasured,
    RequestEnded,
    UnitEnded,
    UnitOutcome,
)

pytestmark = pytest.mark.anyio

REQUEST = RequestEnded("GET", "api", "/x", 200, 0.1, "key", "some-id")
UNIT = UnitEnded(UnitOutcome.COMMITTED, "", "api", read_only=False)


def test_a_listener_gets_its_own_kind_and_no_other() -> None:
    observers = Observers()
    requests: list[RequestEnded] = []
    everything: list[object] = []
    observers.add(RequestEnded, requests.append)
    observers.add(RequestEnded, everything.append)
    observers.add(UnitEnded, everything.append)
    for event in (REQUEST, UNIT, PoolWaited("database", 0.1, True)):
        observers.emit(event)
    assert requests == [REQUEST]
    assert everything == [REQUEST, UNIT]


def test_observers_are_active_from_the_first_listener_on() -> None:
    observers = Observers()
    before = observers.active
    observers.add(UnitEnded, lambda _event: None)
    assert (before, observers.active) == (False, True)


def test_a_listener_that_fails_is_logged_once_and_harms_nobody(
    caplog: pytest.LogCaptureFixture,
) -> None:
    observers = Observers()
    received: list[object] = []

    def fail(_event: object) -> None:
        raise ZeroDivisionError

    def fail_too(_event: object) -> None:
        raise LookupError

    for listener in (fail, received.append, fail_too):
        observers.add(UnitEnded, listener)
    with caplog.at_level(logging.ERROR):
        for _ in range(3):
            observers.emit(UNIT)
    assert received == [UNIT] * 3
    assert len(caplog.records) == 2
    assert "ZeroDivisionError" in caplog.text
    assert "LookupError" in caplog.text
    assert "the listener <function" in caplog.text


async def test_what_has_only_a_size_is_measured_now_and_then_while_anybody_listens() -> None:
    observers = Observers(measure_seconds=0.01)
    asked: list[str] = []
    measured: list[QueuesMeasured] = []

    def measure() -> QueuesMeasured:
        asked.append("measured")
        return QueuesMeasured("a queue", 1, 2, 30, 30)

    observers.measure(measure)
    await observers.start()
    await anyio.sleep(0.05)
    assert asked == []
    observers.add(QueuesMeasured, measured.append)
    with anyio.fail_after(20):
        while len(measured) < 2:  # noqa: ASYNC110  # what is waited for knows no event
            await anyio.sleep(0.01)
    await observers.stop()
    count = len(measured)
    await anyio.sleep(0.05)
    assert len(measured) == count
    assert set(measured) == {QueuesMeasured("a queue", 1, 2, 30, 30)}


@pytest.mark.parametrize(
    ("path", "method", "expected"),
    [
        ("/app/hello/7", "GET", ("GET", "app", "/hello/{number}", 200, "anonymous")),
        ("/app/hello/8", "POST", ("POST", "app", "/hello/{number}", 405, "anonymous")),
        ("/app/refused", "GET", ("GET", "app", "/refused", 403, "anonymous")),
        ("/app/broken", "PUT", ("PUT", "app", "/broken", 500, "anonymous")),
        ("/nowhere", "GET", ("GET", "", "", 404, "anonymous")),
        ("/healthz", "HEAD", ("HEAD", "", "/healthz", 200, "anonymous")),
    ],
)
async def test_a_request_is_observed_once_with_what_the_access_log_says(
    tmp_path: Path, path: str, method: str, expected: tuple[Any, ...]
) -> None:
    root = bare_root(tmp_path, [mounted(room(), lifespan=False)])
    seen: list[RequestEnded] = []
    root.platform.observers.add(RequestEnded, seen.append)
    async with client_of(root) as client:
        answer = await client.request(method, path)
    (event,) = seen
    described = (event.method, event.mount, event.route, event.status, event.identity_kind)
    assert described == expected
    assert event.request_id == answer.headers["x-request-id"]
    assert event.seconds > 0


def room() -> Router:
    async def hello(_request: Request) -> PlainTextResponse:
        return PlainTextResponse("hello")

    async def refused(_request: Request) -> PlainTextResponse:
        raise Forbidden("no", "No.")

    async def broken(_request: Request) -> PlainTextResponse:
        return PlainTextResponse("broken", 500)

    return Router(
        [
            Route("/hello/{number}", hello),
            Route("/refused", refused),
            Route("/broken", broken, methods=["PUT"]),
        ]
    )


async def test_a_listener_that_fails_fails_no_request(tmp_path: Path) -> None:
    root = bare_root(tmp_path, [mounted(room(), lifespan=False)])

    def fail(_event: object) -> None:
        raise ZeroDivisionError

    root.platform.observers.add(RequestEnded, fail)
    async with client_of(root) as client:
        assert (await client.get("/app/hello/7")).text == "hello"
        assert (await client.get("/app/hello/7")).text == "hello"


async def test_every_wait_for_a_connection_is_observed_also_one_in_vain(
    empty_database_url: str,
) -> None:
    observers, waits = Observers(), list[PoolWaited]()
    database = await asyncio.to_thread(make_database, empty_database_url, observers)
    async with database.unit(read_only=True) as session:
        await session.execute(text("SELECT 1"))
    observers.add(PoolWaited, waits.append)
    async with database.unit() as holding:
        await holding.execute(text("SELECT 1"))
        with pytest.raises(PoolTimeoutError):
            async with database.unit() as waiting:
                await waiting.execute(text("SELECT 1"))
    await database.close()
    assert [(wait.pool, wait.succeeded) for wait in waits] == [
        ("database", True),
        ("database", False),
    ]
    assert waits[1].seconds > waits[0].seconds >= 0


def make_database(url: str, observers: Observers) -> Database:
    database = Database(
        url,
        capture=Capture(),
        connections=1,
        timeout=0.2,
        observers=observers,
    )
    _ = database.engine  # looks at the file system
    return database
