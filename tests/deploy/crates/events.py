"""Every crate that is put down is told to its dock."""

from collections.abc import Iterator
from dataclasses import dataclass

from tests.deploy.crates.models import Crate
from trivet.events import Change, Publication, feed


@dataclass(frozen=True)
class CratePutDown:
    label: str


@feed(Crate)
def crate_put_down(change: Change[Crate]) -> Iterator[Publication]:
    yield Publication(f"crates:{change.instance.dock}", CratePutDown(change.instance.label))
