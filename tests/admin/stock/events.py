from collections.abc import Iterator
from dataclasses import dataclass

from tests.admin.stock.models import Item, Sample
from trivet.events import Change, Publication, feed


@dataclass(frozen=True)
class ItemChanged:
    kind: str
    name: str
    old: dict[str, object]
    actor: str


@feed(Item)
def item_changed(change: Change[Item]) -> Iterator[Publication]:
    item = change.instance
    if item.name == "Poison":
        raise LookupError("the feed cannot bear it")
    actor = change.actor.username if change.actor else ""
    event = ItemChanged(change.kind, item.name, dict(change.old), actor)
    yield Publication(f"stock:{item.category_id}", event)


@dataclass(frozen=True)
class SampleWritten:
    values: dict[str, object]


SAMPLE_COLUMNS = [column.key for column in Sample.__table__.columns]


@feed(Sample)
def sample_written(change: Change[Sample]) -> Iterator[Publication]:
    values = {key: getattr(change.instance, key) for key in SAMPLE_COLUMNS}
    yield Publication("stock:samples", SampleWritten(values))
