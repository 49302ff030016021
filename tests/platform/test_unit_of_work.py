"""One request, one transaction, one outcome: through the whole stack, on real databases."""

from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from tests.platform.note_house import House, count_notes, house_of
from tests.platform.notes import Note, add_note, as_service, published
from trivet import Conflict, context_of
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
    Route("/idle", idle, methods=["GET", "POST"]),
]


@pytest.fixture
async def house(notes_url: str, tmp_path: Path) -> AsyncIterator[House]:
    async with house_of(ROUTES, notes_url, tmp_path) as house:
        yield house


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
