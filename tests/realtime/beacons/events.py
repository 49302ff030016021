"""Every beacon that is lit is told to its harbour."""

from collections.abc import Iterator
from dataclasses import dataclass

from tests.realtime.beacons.models import Beacon
from trivet.events import Change, Publication, feed


@dataclass(frozen=True)
class BeaconLit:
    label: str


@feed(Beacon)
def beacon_lit(change: Change[Beacon]) -> Iterator[Publication]:
    yield Publication(f"beacons:{change.instance.harbour}", BeaconLit(change.instance.label))
