from collections.abc import Iterator
from dataclasses import dataclass

from tests.admin.keyed.models import Packing
from trivet.events import Change, Publication, feed


@dataclass(frozen=True)
class PackingChanged:
    kind: str
    parcel: int
    ware: str
    old: dict[str, object]


@feed(Packing)
def packing_changed(change: Change[Packing]) -> Iterator[Publication]:
    packing = change.instance
    event = PackingChanged(change.kind, packing.parcel_id, packing.ware_code, dict(change.old))
    yield Publication("keyed:packings", event)
