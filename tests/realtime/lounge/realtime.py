"""Rooms with presence, and functions of every kind for what clients send."""

from typing import Annotated

import msgspec
from pydantic import BaseModel, Field
from sqlalchemy import func, select

from tests.realtime.lounge.models import Remark
from trivet.errors import Conflict, TooManyRequests
from trivet_realtime import (
    Forbidden,
    Identity,
    Namespace,
    Session,
    Unit,
    authenticated,
    channel,
    message,
    publication,
    rpc,
    staff,
)

lounge = Namespace(
    presence=True,
    join_leave=True,
    history_size=3,
    history_policy=authenticated,
    tags_filter=True,
    delta=True,
)


@channel("lounge:{room}")
def in_room(room: str) -> bool:
    return room != "closed"


@channel("lounge:typing:{room}")
def typing_in_room(room: str) -> bool:
    return bool(room)


@channel("lounge:staff:{room}", policy=staff)
def for_staff(room: str) -> bool:
    return bool(room)


class Said(msgspec.Struct, forbid_unknown_fields=True):
    """What one says: something, and not too much."""

    text: Annotated[str, msgspec.Meta(min_length=1, max_length=20)]


class Typing(BaseModel):
    """Who types, and how much."""

    letters: int = Field(ge=0)


class Muted(Forbidden):
    """A refusal of the feature's own."""


REFUSALS = {
    "forbidden": Forbidden("bad-word", "Nobody says that."),
    "muted": Muted("muted", "You may not speak now."),
    "said": Conflict("said", "That was said already."),
    "busy": Conflict("busy", "Somebody else speaks.", retry_after=1),
    "often": TooManyRequests("often", "You speak too often.", retry_after=1),
}


@publication("lounge:{room}", Said, policy=authenticated)
def say(db: Session, identity: Identity, room: str, data: Said) -> None:
    if data.text in REFUSALS:
        raise REFUSALS[data.text]
    db.add(Remark(room=room, text=data.text, author_id=identity.user_id))
    if data.text == "broken":
        raise ZeroDivisionError("after the row was added")


@publication("lounge:typing:{room}", Typing, ephemeral=True)
def types(data: Typing) -> bool:
    return data.letters > 0


def count(db: Session, _actor: Identity, room: str) -> int:
    return db.scalar(select(func.count()).where(Remark.room == room)) or 0


@rpc("lounge:count", str)
async def count_remarks(unit: Unit, data: str) -> dict[str, int]:
    return {"remarks": await unit.run(count, data)}


@rpc("lounge:clear", policy=staff)
def clear(db: Session) -> None:
    for remark in db.scalars(select(Remark)):
        db.delete(remark)


@rpc("lounge:remark", str)
def remark(db: Session, data: str) -> Remark:
    made = Remark(room="calls", text=data)
    db.add(made)
    db.flush()
    return made  # a mapped object is no JSON


@rpc("lounge:echo", Typing)
def echo(data: Typing) -> Typing:
    return data


@message(Said)
def note(db: Session, data: Said) -> None:
    db.add(Remark(room="notes", text=data.text))
    if data.text == "broken":
        raise Forbidden("broken", "after the row was added")
