"""Crates are put down by anyone; on demand the process dies between the commit and the bell."""

import os
import signal

from fastapi import APIRouter
from sqlalchemy import event, select, text
from sqlalchemy.orm import Session

from tests.deploy.crates.models import Crate
from trivet.data.session import TrivetSession
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


def relabel(
    db: Session, _actor: Identity, dock: str, label: str, isolation: str | None = None
) -> None:
    begin(db, isolation)
    for crate in db.scalars(select(Crate).where(Crate.dock == dock)):
        crate.label = label


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
    """Put a crate down; a label with "fatal" is the last that this process does."""
    await (unit.run_with_django if with_django else unit.run)(put_down, dock, label, isolation)
    if "fatal" in label:
        event.listen(TrivetSession, "after_commit", _die)


def _die(session: Session) -> None:
    if isinstance(session, TrivetSession) and session.published:  # the relay's has none
        os.kill(os.getpid(), signal.SIGKILL)
