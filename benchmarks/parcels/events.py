"""A depot hears of every parcel that comes in."""

from collections.abc import Iterator
from dataclasses import dataclass

from benchmarks.parcels.models import Parcel
from trivet.events import Change, Publication, feed


@dataclass(frozen=True, slots=True)
class ParcelArrived:
    id: int
    label: str
    grams: int
    fragile: bool


@feed(Parcel)
def parcel_arrived(change: Change[Parcel]) -> Iterator[Publication]:
    parcel = change.instance
    event = ParcelArrived(parcel.id, parcel.label, parcel.grams, parcel.fragile)
    yield Publication(f"parcels:{parcel.depot}", event)
