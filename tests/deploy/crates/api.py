"""Crates are put down by anyone; on demand the process dies between the commit and the bell."""

import os
import signal

from fastapi import APIRouter
from sqlalchemy import event, select, text
from sqlalchemy.orm import Session

from tests.deploy.crates.models import Crate
from trivet.data.session import TrivetSession
from trivet.errors import Conflict
from trivet.events import find_position
from trivet.identity import Identity
from trivet_api import Unit, public

router = APIRouter()


def begin(db: Session, isolation: str | None) -> None:
    """As a service may that needs more than PostgreSQL's default."""
    if isolation == "serializable":
        db.execute(text("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE"))


def put_down(
    db: Session, _actor: Identity, dock: str, label: str, isolation: str | None = None
) -> None:
    begin(db, isolation)
    db.add(Crate(dock=dock, label=label))
    if "undone" in label:
        db.flush()
        raise Conflict("undone", "This crate stays where it was.")


def put_down_many(db: Session, _actor: Identity, dock: str, label: str, count: int) -> None:
    db.add_all(Crate(dock=dock, label=f"{number} {label}") for number in range(1, count + 1))


def relabel(
    db: Session, _actor: Identity, dock: str, label: str, isolation: str | None = None
) -> None:
    begin(db, isolation)
    for crate in db.scalars(select(Crate).where(Crate.dock == dock)):
        crate.label = label


def list_labels(db: Session, _actor: Identity, dock: str, in_two: bool) -> dict[str, object]:
    labels = db.scalars(select(Crate.label).where(Crate.dock == dock)).all()
    if in_two:
        db.execute(text("SELECT pg_sleep(0.01)"))
    position = find_position(db, f"crates:{dock}")
    return {"labels": labels, "epoch": position.epoch, "offset": position.offset}


@router.get("/{dock}", dependencies=[public])
async def see(dock: str, unit: Unit, in_two: bool = False) -> dict[str, object]:
    """What is in a dock, with the position of its channel at which that was read; with `in_two`,
    others have time to write between the two readings."""
    return await unit.run(list_labels, dock, in_two)


@router.put("/{dock}/{label}", status_code=204, dependencies=[public])
async def put_label(
    dock: str, label: str, unit: Unit, with_django: bool = False, isolation: str | None = None
) -> None:
    """Give every crate of a dock the same label."""
    await (unit.run_with_django if with_django else unit.run)(relabel, dock, label, isolation)


@router.post("/{dock}/{label}", status_code=201, dependencies=[public])
async def put(
    dock: str, label: str, unit: Unit, with_django: bool = False, isolation: str | None = None
) -> None:
    """Put a crate down. A label with "fatal" is the last that this process does; with "undone", the
    crate is written and the request refused."""
    await (unit.run_with_django if with_django else unit.run)(put_down, dock, label, isolation)
    if "fatal" in label:
        event.listen(TrivetSession, "after_commit", _die)


@router.post("/{dock}", status_code=201, dependencies=[public])
async def put_many(dock: str, count: int, size: int, unit: Unit) -> None:
    """Put so many crates down in one transaction, with labels of about so many characters."""
    await unit.run(put_down_many, dock, "x" * size, count)


def _die(session: Session) -> None:
    if isinstance(session, TrivetSession) and session.published:  # the relay's has none
        os.kill(os.getpid(), signal.SIGKILL)
