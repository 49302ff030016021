"""Routes of every policy, and ways to fail."""

import asyncio
from collections.abc import Coroutine
from typing import Annotated, Any, Literal

from fastapi import APIRouter, HTTPException, Query
from pydantic import BaseModel, ConfigDict, Field

from trivet.errors import Conflict
from trivet_api import CurrentPlatform, authenticated, public, read_cursor, requires, write_cursor


class Seat(BaseModel):
    model_config = ConfigDict(extra="forbid")

    row: int = Field(ge=1)
    letter: str = Field(pattern="^[A-F]$")


class Booking(BaseModel):
    model_config = ConfigDict(extra="forbid")

    seats: list[Seat]


router = APIRouter()


@router.post("/bookings", dependencies=[public])
async def book(booking: Booking, price: Annotated[int, Query(ge=0)] = 0) -> int:
    """Book seats."""
    return len(booking.seats) + price


@router.get("/lost", dependencies=[public])
async def revoke_on_commit() -> None:
    raise LookupError("swordfish")


@router.get("/teapot", dependencies=[public])
async def brew() -> None:
    raise HTTPException(418, "I am a teapot", headers={"x-pot": "short"})


FAILURES = {
    "taken": Conflict("taken", "Somebody sits there."),
    "teapot": HTTPException(418, "I am a teapot"),
    "lost": LookupError("swordfish"),
}


@router.get("/together", dependencies=[public])
async def do_together(raised: Annotated[list[Literal["taken", "teapot", "lost"]], Query()]) -> None:
    """Do several things at once, in a group within a group. These fail."""

    async def fail(name: str) -> None:
        raise FAILURES[name]

    async def run(*works: Coroutine[Any, Any, None]) -> None:
        async with asyncio.TaskGroup() as group:
            for work in works:
                group.create_task(work)

    await run(run(*map(fail, raised)))


@router.get("/pages", dependencies=[public])
async def page(platform: CurrentPlatform, cursor: str | None = None) -> Any:
    at = 0 if cursor is None else read_cursor(platform, "pages", cursor)
    return {"at": at, "next": write_cursor(platform, "pages", at + 1)}


@router.get("/other-pages", dependencies=[public])
async def other_page(platform: CurrentPlatform, cursor: str) -> Any:
    return read_cursor(platform, "other-pages", cursor)


@router.get("/secret", dependencies=[requires("seats.view_booking")])
async def secret() -> None:
    """Read the list."""


@router.get("/mine", dependencies=[authenticated])
async def mine() -> None: ...
