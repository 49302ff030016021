"""One request, one transaction, one outcome: through the whole stack, on real databases."""

import asyncio
import gc
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import anyio
import anyio.to_thread
import httpx2
import pytest
from sqlalchemy import create_engine, select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session
from sqlalchemy.pool import QueuePool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route, Router

from tests.platform.bare import bare_platform, client_of, mounted
from tests.platform.notes import Note, add_note, as_service, create_tables, feeds, published
from trivet import Conflict, Platform, context_of
from trivet.asgi.root import Root, build_root
from trivet.data.capture import Capture
from trivet.data.session import ReadOnlyError

pytestmark = pytest.mark.anyio


async def add(request: Request) -> Response:
    """Add a note, then answer with the status that the query asks for."""
    query = request.query_params
    parent = int(query["parent"]) if "parent" in query else None
    await context_of(request.scope).unit.run(as_service(add_note), "a", query["text"], parent)
    return JSONResponse({"added": True}, int(query.get("status", 201)))


async def add_and_fail(request: Request) -> Response:
    await add(request)
    raise LookupError


async def add_and_object(request: Request) -> Response:
    await add(request)
    raise Conflict("no", "No.")


async def add_and_wait(request: Request) -> Response:
    await context_of(request.scope).unit.run(as_service(add_note), "a", "waiting")
    request.app.waiting.set()
    await anyio.sleep_forever()
    raise AssertionError


async def add_and_stream(request: Request) -> Response:
    unit = context_of(request.scope).unit
    await unit.run(as_service(add_note), "a", "streamed")

    async def body() -> AsyncIterator[str]:
        yield str(await anyio.to_thread.run_sync(count_notes, request.app.url))
        try:
            _ = unit.session
        except RuntimeError as error:
            yield f" {error}"

    return StreamingResponse(body())


async def commit_in_service(request: Request) -> Response:
    def service(db: Session) -> None:
        add_note(db, "a", "smuggled")
        getattr(db, request.query_params["verb"])()

    await context_of(request.scope).unit.run(as_service(service))
    return JSONResponse({})


def change_without_flush(db: Session) -> str:
    note = db.scalars(select(Note)).one()
    note.text = "changed"
    return note.text


def add_without_flush(db: Session) -> str:
    db.add(Note(board="a", text="new"))
    return "added"


def swallow_an_error(db: Session) -> str:
    with suppress(DBAPIError):
        db.execute(text("SELECT nothing"))
    return "swallowed"


UNNOTICED = {e.__name__: e for e in (change_without_flush, add_without_flush, swallow_an_error)}


async def do_unnoticed(request: Request) -> Response:
    service = UNNOTICED[request.query_params["service"]]
    return JSONResponse(await context_of(request.scope).unit.run(as_service(service)))


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


async def idle(request: Request) -> Response:
    return JSONResponse({})


ROUTES = [
    Route("/add", add, methods=["GET", "POST"]),
    Route("/add-and-fail", add_and_fail, methods=["POST"]),
    Route("/add-and-object", add_and_object, methods=["POST"]),
    Route("/add-and-wait", add_and_wait, methods=["POST"]),
    Route("/add-and-stream", add_and_stream, methods=["POST"]),
    Route("/commit-in-service", commit_in_service, methods=["POST"]),
    Route("/unnoticed", do_unnoticed),
    Route("/forget-to-await", forget_to_await, methods=["POST"]),
    Route("/forget-to-await-the-session", forget_to_await_the_session, methods=["POST"]),
    Route("/load-late", load_late),
    Route("/call-a-coroutine", call_a_coroutine, methods=["POST"]),
    Route("/leave-running", leave_running, methods=["POST"]),
    Route("/idle", idle, methods=["GET", "POST"]),
]


def count_notes(url: str) -> int:
    """What another connection sees."""
    engine = create_engine(url.replace("postgresql:", "postgresql+psycopg:"))
    with engine.connect() as connection:
        count: int = connection.execute(text("SELECT count(*) FROM test_note")).scalar_one()
    engine.dispose()
    return count


@dataclass
class House:
    url: str
    platform: Platform
    root: Root
    client: httpx2.AsyncClient

    async def count(self) -> int:
        return await anyio.to_thread.run_sync(count_notes, self.url)

    def connections_in_use(self) -> int:
        pool = self.platform.database.engine.pool
        assert isinstance(pool, QueuePool)
        return pool.checkedout()


@pytest.fixture
async def house(empty_database_url: str, tmp_path: Any) -> AsyncIterator[House]:
    await anyio.to_thread.run_sync(create_tables, empty_database_url)
    platform = bare_platform(tmp_path, database_url=empty_database_url)
    platform.database.capture = Capture(feeds())
    root = build_root(platform, [mounted(Router(ROUTES))])
    root.url = empty_database_url  # type: ignore[attr-defined]  # for the endpoints above
    root.tasks = []  # type: ignore[attr-defined]  # as above
    root.waiting = anyio.Event()  # type: ignore[attr-defined]  # as above
    async with client_of(root) as client:
        yield House(empty_database_url, platform, root, client)
    await platform.database.close()


@pytest.mark.parametrize(
    ("status", "kept"), [(200, 1), (201, 1), (303, 1), (400, 0), (404, 0), (500, 0)]
)
async def test_the_status_decides(house: House, status: int, kept: int) -> None:
    response = await house.client.post(f"/app/add?text=x&status={status}")
    assert response.status_code == status
    assert await house.count() == kept
    assert len(await published(house.platform.database, "notes:a")) == kept


async def test_the_commit_happens_before_the_first_byte_leaves(house: House) -> None:
    seen: list[int] = []

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            seen.append(await house.count())

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    scope: dict[str, Any] = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "method": "POST",
        "path": "/app/add",
    }
    scope |= {
        "query_string": b"text=x",
        "headers": [(b"host", b"localhost")],
        "root_path": "",
        "scheme": "http",
    }
    await house.root(scope, receive, send)
    assert seen == [1]


async def test_a_commit_that_fails_is_a_conflict_and_never_the_success_that_was_prepared(
    house: House,
) -> None:
    response = await house.client.post("/app/add?text=x&parent=4711")
    assert response.status_code == 409
    assert response.json()["code"] == "integrity"
    assert "added" not in response.text
    assert await house.count() == 0
    assert await published(house.platform.database, "notes:a") == []
    assert house.connections_in_use() == 0


@pytest.mark.parametrize(("path", "status"), [("add-and-fail", 500), ("add-and-object", 409)])
async def test_an_exception_rolls_back(house: House, path: str, status: int) -> None:
    response = await house.client.post(f"/app/{path}?text=x")
    assert response.status_code == status
    assert await house.count() == 0
    assert house.connections_in_use() == 0


async def test_what_contradicts_the_data_is_a_conflict(house: House) -> None:
    assert (await house.client.post("/app/add?text=x")).status_code == 201
    response = await house.client.post("/app/add?text=x")
    assert response.status_code == 409
    assert "UNIQUE" not in response.text.upper()
    assert await house.count() == 1


async def test_a_safe_method_cannot_write(house: House) -> None:
    response = await house.client.get("/app/add?text=x")
    assert response.status_code == 500
    assert await house.count() == 0


@pytest.mark.parametrize("service", ["change_without_flush", "add_without_flush"])
async def test_a_change_that_nobody_flushed_is_no_answer_of_a_safe_method(
    house: House, service: str
) -> None:
    await house.client.post("/app/add?text=x")
    assert (await house.client.get(f"/app/unnoticed?service={service}")).status_code == 500
    with pytest.raises(ReadOnlyError):
        await run_reading(house, UNNOTICED[service])
    assert house.connections_in_use() == 0


async def run_reading(house: House, service: Callable[[Session], str]) -> None:
    async with house.platform.database.unit(read_only=True) as session:
        await session.run_sync(service)


@pytest.mark.database("postgresql")
async def test_an_error_that_was_swallowed_is_no_answer_of_a_safe_method(house: House) -> None:
    answer = await house.client.get("/app/unnoticed?service=swallow_an_error")
    assert answer.status_code == 500


async def test_a_stream_begins_after_the_commit_and_finds_its_unit_over(house: House) -> None:
    response = await house.client.post("/app/add-and-stream")
    assert response.text.startswith("1 this unit of work ended when the response began")


@pytest.mark.parametrize("verb", ["commit", "rollback"])
async def test_a_service_can_neither_commit_nor_roll_back(house: House, verb: str) -> None:
    response = await house.client.post(f"/app/commit-in-service?verb={verb}")
    assert response.status_code == 500
    assert await house.count() == 0


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
    await house.client.post("/app/add?text=x")
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


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_request_that_touches_no_data_opens_no_connection(
    house: House, method: str
) -> None:
    assert (await house.client.request(method, "/app/idle")).status_code == 200
    assert not house.platform.database.is_open


async def test_a_client_that_leaves_in_mid_request_leaves_no_transaction_behind(
    house: House,
) -> None:
    async with anyio.create_task_group() as group:
        group.start_soon(house.client.post, "/app/add-and-wait")
        await house.root.waiting.wait()  # type: ignore[attr-defined]  # set above
        assert house.connections_in_use() == 1
        group.cancel_scope.cancel()
    assert house.connections_in_use() == 0
    assert await house.count() == 0
