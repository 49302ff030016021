"""Slips after which nothing was done: none of them is answered with a success."""

import asyncio
import gc
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.platform.note_house import House, house_of
from tests.platform.notes import Note, add_note, as_service
from trivet import context_of

pytestmark = pytest.mark.anyio


async def forget_to_await(request: Request) -> Response:
    """The commonest slip of the trade, before or after work that is awaited."""
    unit = context_of(request.scope).unit
    if request.query_params["before"] == "something":
        await unit.run(as_service(add_note), "a", "awaited")
    unit.run(as_service(add_note), "a", "forgotten")
    return JSONResponse({"made": True}, 201)


async def forget_to_await_the_session(request: Request) -> Response:
    """The same slip with a method of the session, in a unit that has written something."""
    session = context_of(request.scope).unit.session
    note = Note(board="a", text="stays")
    session.add(note)
    await session.flush()
    calls: dict[str, Callable[[], object]] = {
        "delete": lambda: session.delete(note),
        "execute": lambda: session.execute(select(Note)),
        "flush": session.flush,
        "merge": lambda: session.merge(Note(board="a", text="merged")),
        "refresh": lambda: session.refresh(note),
    }
    calls[request.query_params["call"]]()
    return JSONResponse({"done": True})


async def load_late(request: Request) -> Response:
    """A relationship is read in the endpoint, which SQLAlchemy cannot await."""
    session = context_of(request.scope).unit.session
    note = await session.scalar(select(Note))
    assert note is not None
    return JSONResponse(len(note.lines))


async def call_a_coroutine(request: Request) -> Response:
    async def add_later(db: Session, _actor: object) -> None:
        add_note(db, "a", "never")

    return JSONResponse(str(await context_of(request.scope).unit.run(add_later)))


async def leave_running(request: Request) -> Response:
    """A task of its own, which the response does not wait for."""
    unit = context_of(request.scope).unit

    def add_slowly(db: Session) -> None:
        add_note(db, "a", "begun")

    running: Any = unit.run(as_service(add_slowly))
    task = asyncio.ensure_future(running)
    await asyncio.sleep(0)  # it begins, and waits for the database
    request.app.tasks.append(task)
    return JSONResponse({"made": True}, 201)


ROUTES = [
    Route("/forget-to-await", forget_to_await, methods=["POST"]),
    Route("/forget-to-await-the-session", forget_to_await_the_session, methods=["POST"]),
    Route("/load-late", load_late),
    Route("/call-a-coroutine", call_a_coroutine, methods=["POST"]),
    Route("/leave-running", leave_running, methods=["POST"]),
]


@pytest.fixture
async def house(notes_url: str, tmp_path: Path) -> AsyncIterator[House]:
    async with house_of(ROUTES, notes_url, tmp_path) as house:
        yield house


@pytest.mark.parametrize("before", ["something", "nothing"])
async def test_work_that_nobody_awaited_is_no_success(
    house: House, before: str, json_log: Callable[[], str]
) -> None:
    response = await house.client.post(f"/app/forget-to-await?before={before}")
    assert response.status_code == 500
    assert "unit.run(add_note, …) was never awaited" in json_log()
    assert await house.count() == 0
    assert house.connections_in_use() == 0


@pytest.mark.parametrize("call", ["delete", "execute", "flush", "merge", "refresh"])
async def test_a_call_of_the_session_that_nobody_awaited_is_no_success(
    house: House, call: str, json_log: Callable[[], str]
) -> None:
    response = await house.client.post(f"/app/forget-to-await-the-session?call={call}")
    assert response.status_code == 500
    assert f"write 'await unit.session.{call}(…)'" in json_log()
    assert await house.count() == 0
    assert house.connections_in_use() == 0


# SQLAlchemy leaves the coroutine of the driver behind that it could not await.
@pytest.mark.filterwarnings("ignore:coroutine .* was never awaited:RuntimeWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
async def test_an_attribute_that_is_loaded_too_late_is_a_fault_with_its_cure(
    house: House, json_log: Callable[[], str]
) -> None:
    async with house.platform.open_unit() as unit:
        await unit.run(as_service(add_note), "a", "x")
    assert (await house.client.get("/app/load-late")).status_code == 500
    assert "selectinload(" in json_log()
    gc.collect()  # in this test and in no other


async def test_a_service_that_is_a_coroutine_is_no_success(
    house: House, json_log: Callable[[], str]
) -> None:
    response = await house.client.post("/app/call-a-coroutine")
    assert response.status_code == 500
    assert "add_later is an 'async def', and a service is a plain function" in json_log()
    assert house.connections_in_use() == 0


async def test_work_that_still_runs_when_the_response_begins_is_no_success(
    house: House, json_log: Callable[[], str]
) -> None:
    response = await house.client.post("/app/leave-running")
    assert response.status_code == 500
    assert "is still running while the response begins" in json_log()
    await asyncio.gather(*house.root.tasks, return_exceptions=True)  # type: ignore[attr-defined]  # set above
    assert await house.count() == 0


async def test_a_unit_of_its_own_is_not_committed_without_what_nobody_awaited(house: House) -> None:
    async def work() -> None:
        async with house.platform.open_unit() as unit:
            await unit.run(as_service(add_note), "a", "awaited")
            unit.run(as_service(add_note), "a", "forgotten")

    with pytest.raises(RuntimeError, match="was never awaited"):
        await work()
    assert await house.count() == 0
