from collections.abc import Iterator
from dataclasses import dataclass

from tests.admin.lineage.models import Exhibit, Painting
from trivet.events import Change, Publication, feed


@dataclass(frozen=True)
class ItemChanged:
    """Called as the tests of the admin read it."""

    kind: str
    name: str
    old: dict[str, object]
    actor: str


@feed(Exhibit)
def exhibit_changed(change: Change[Exhibit]) -> Iterator[Publication]:
    actor = change.actor.username if change.actor else ""
    event = ItemChanged(change.kind, change.instance.title, dict(change.old), actor)
    yield Publication("lineage:exhibits", event)


@feed(Painting)
def painting_changed(change: Change[Painting]) -> Iterator[Publication]:
    """Says what only a painting has, however it was changed."""
    told = ItemChanged(change.kind, change.instance.technique, dict(change.old), "")
    yield Publication("lineage:paintings", told)
