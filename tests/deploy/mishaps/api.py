"""Refusals and faults of endpoints and of their dependencies."""

import time
from collections.abc import AsyncIterator
from typing import Annotated

import anyio
from fastapi import APIRouter, BackgroundTasks, Depends, HTTPException
from fastapi.responses import Response, StreamingResponse
from pydantic import BaseModel
from sqlalchemy.orm import Session

from tests.deploy.mishaps.models import Mishap
from trivet import Conflict, Identity, TooManyRequests, TrivetError, Unauthenticated, Unavailable
from trivet_api import Unit, authenticated, public, requires

router = APIRouter()

REFUSALS: dict[str, Exception] = {
    "unauthenticated": Unauthenticated("who", "Who are you?"),
    "conflict": Conflict("taken", "Someone sits there."),
    "throttled": TooManyRequests("slow", "Slower.", retry_after=1),
    "unavailable": Unavailable("later", "Later."),
    "teapot": HTTPException(418, "a teapot"),
}


class Name(BaseModel):
    name: str


def add_twice(db: Session, _actor: Identity, name: str) -> None:
    for _ in range(2):
        db.add(Mishap(name=name))
        db.flush()


def add(db: Session, _actor: Identity, name: str) -> None:
    db.add(Mishap(name=name))


async def fail() -> None:
    raise LookupError("lost in a dependency")


async def fail_later() -> AsyncIterator[None]:
    yield
    raise LookupError("lost behind an endpoint")


@router.get("/refused/{kind}", dependencies=[public])
async def refused(kind: str) -> None:
    raise REFUSALS[kind]


@router.get("/known", dependencies=[authenticated])
async def known() -> None: ...


@router.get("/allowed", dependencies=[requires("mishaps.add_mishap")])
async def allowed() -> None: ...


@router.post("/names", dependencies=[public])
async def duplicate(name: Name, unit: Unit) -> None:
    await unit.run(add_twice, name.name)


@router.post("/names/unsendable", dependencies=[public])
async def unsendable(name: Name, unit: Unit) -> Response:
    await unit.run(add, name.name)
    return Response(status_code=201, headers={"location": f"/names/{name.name}\r\nset-cookie: a=b"})


@router.post("/names/with-django", dependencies=[public])
async def duplicate_with_django(name: Name, unit: Unit) -> None:
    await unit.run_with_django(add_twice, name.name)


@router.get("/lost", dependencies=[public])
async def lost() -> str:
    raise LookupError("lost in a plain endpoint")


@router.post("/lost", dependencies=[public])
async def lost_with_a_body(name: Name) -> None:
    raise LookupError("lost in an endpoint")


@router.get("/lost/before", dependencies=[public, Depends(fail)])
async def lost_before() -> str:
    return "never"


@router.get("/lost/behind", dependencies=[public])
async def lost_behind(_later: Annotated[None, Depends(fail_later)]) -> str:
    return "early"


@router.get("/lost/afterwards", dependencies=[public])
async def lost_afterwards(tasks: BackgroundTasks) -> str:
    async def work() -> None:
        raise TrivetError("lost", "lost in the background")

    tasks.add_task(work)
    return "done"


@router.get("/stream", dependencies=[public])
async def stream() -> StreamingResponse:
    async def chunks() -> AsyncIterator[bytes]:
        yield b"begun"
        raise LookupError("lost in a stream")

    return StreamingResponse(chunks())


@router.post("/slow", dependencies=[public])
async def slow(name: Name, unit: Unit) -> None:
    await unit.run(add, name.name)
    await anyio.Path("asked").touch()
    await anyio.sleep_forever()


@router.get("/blocked", dependencies=[public])
async def block_the_loop(seconds: float) -> None:
    time.sleep(seconds)  # noqa: ASYNC251  # the mistake that the log shall tell


@router.get("/whole", dependencies=[public])
async def whole() -> StreamingResponse:
    async def chunks() -> AsyncIterator[bytes]:
        for piece in (b"first,", b"second,", b"third"):
            yield piece

    return StreamingResponse(chunks())
