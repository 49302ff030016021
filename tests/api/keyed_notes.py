"""Routes that add notes under an Idempotency-Key, and do all sorts of other things with it."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse
from fastapi.routing import APIRoute
from pydantic import BaseModel
from sqlalchemy import text

from tests.platform.notes import add_note, as_service
from trivet import Conflict
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

REPLAYED = "idempotent-replayed"
"""The header of an answer that was given before."""


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


keyed_notes = APIRouter()
keyed_notes.include_router(router)
keyed_notes.include_router(own)


def told(answer: Any) -> tuple[Any, ...]:
    """What of an answer has to be the same for every attempt."""
    names = ("location", "etag", "content-type", "content-length")
    return answer.status_code, answer.content, *(answer.headers.get(name) for name in names)
