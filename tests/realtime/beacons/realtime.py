"""Rules of every kind: open, by identity, by the database, by services, by an error, and broken."""

import asyncio

from sqlalchemy import select

from tests.realtime.beacons.models import Beacon
from tests.services.slow import count_endlessly
from trivet_realtime import (
    Identity,
    NotFound,
    Session,
    Unit,
    channel,
    require_authenticated,
    requires,
)


@channel("beacons:{harbour}")
def harbour_channel(harbour: str) -> bool:
    return harbour != "closed"


@channel("beacons:staff:{harbour}")
def for_staff(identity: Identity) -> bool:
    return identity.is_staff


@channel("beacons:crew:{harbour}")
def for_whoever_is_known(identity: Identity, harbour: str) -> bool:
    require_authenticated(identity)
    return bool(harbour)


@channel("beacons:lit:{harbour}")
def where_a_beacon_is_lit(db: Session, harbour: str) -> bool:
    if db.scalar(select(Beacon.id).where(Beacon.harbour == harbour).limit(1)) is None:
        raise NotFound("no-such-harbour", f"No beacon is lit in {harbour}.")
    return True


@channel("beacons:undecided:{harbour}")
def undecided(harbour: str) -> bool:
    return None if harbour else False  # type: ignore[return-value]  # a rule that forgot to decide


@channel("beacons:broken:{harbour}")
def broken() -> bool:
    raise ZeroDivisionError("a mistake in a rule, with a secret in it")


def may_watch(db: Session, actor: Identity, harbour: str) -> bool:
    """A service: user 7 watches the harbours in which a beacon is lit."""
    return actor.user_id == 7 and where_a_beacon_is_lit(db, harbour)


@channel("beacons:watched:{harbour}")
async def watched(unit: Unit, harbour: str) -> bool:
    return unit.read_only and await unit.run(may_watch, harbour)


@channel("beacons:keeper:{harbour}", policy=requires("beacons.keep"))
async def for_keepers(unit: Unit, identity: Identity, harbour: str) -> bool:
    return bool(harbour) and unit.actor is identity


def light(db: Session, _actor: Identity, harbour: str) -> bool:
    db.add(Beacon(harbour=harbour, label="smuggled"))
    db.flush()
    return True


def leave_lit(db: Session, _actor: Identity, harbour: str) -> bool:
    db.add(Beacon(harbour=harbour, label="smuggled"))
    return True


@channel("beacons:lighting:{harbour}")
async def lighting(unit: Unit, harbour: str) -> bool:
    return await unit.run(light, harbour)


@channel("beacons:leaving:{harbour}")
async def leaving_lit(unit: Unit, harbour: str) -> bool:
    return await unit.run(leave_lit, harbour)


@channel("beacons:committing:{harbour}")
async def committing(unit: Unit, harbour: str) -> bool:
    await unit.session.commit()
    return bool(harbour)


@channel("beacons:undoing:{harbour}")
async def undoing(unit: Unit, harbour: str) -> bool:
    await unit.session.rollback()
    return bool(harbour)


@channel("beacons:endless:{harbour}")
def endless(db: Session, harbour: str) -> bool:
    return bool(count_endlessly(db) and harbour)


@channel("beacons:slow:{harbour}")
async def slow(unit: Unit, harbour: str) -> bool:
    asked_slowly.append(harbour)
    await asyncio.sleep(SLOW_SECONDS)
    answered_slowly.append(harbour)
    return unit.read_only and bool(harbour)


SLOW_SECONDS = 0.1
asked_slowly: list[str] = []
"""The harbours about which the slow rule was asked."""
answered_slowly: list[str] = []
"""The harbours for which it came to its end."""
