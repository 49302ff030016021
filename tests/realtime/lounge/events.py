"""Every remark is told to its room."""

from collections.abc import Iterator
from dataclasses import dataclass

from tests.realtime.lounge.models import Remark
from trivet.events import Change, Publication, feed


@dataclass(frozen=True)
class Remarked:
    text: str
    author_id: int | None


@feed(Remark)
def remarked(change: Change[Remark]) -> Iterator[Publication]:
    remark = change.instance
    yield Publication(f"lounge:{remark.room}", Remarked(remark.text, remark.author_id))
