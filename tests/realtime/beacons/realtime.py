"""Rules of every kind: open, by identity, by the database, by an error, and broken ones."""

from sqlalchemy import select

from tests.realtime.beacons.models import Beacon
from trivet_realtime import Identity, NotFound, Session, channel, require_authenticated


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
