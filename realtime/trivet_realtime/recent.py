"""The last publications of channels, in memory: whoever comes back is answered from here.

A channel keeps as many as one recovery may have. All channels together have a bound too; past it
those go whose channel has been quiet for longest.
"""

from collections import OrderedDict, deque
from collections.abc import Sequence
from itertools import islice

from trivet.events.outbox import StoredPublication

OVERHEAD_BYTES = 200
"""What a publication takes in memory beside its texts, about."""


def size_of(publication: StoredPublication) -> int:
    """The bytes of all that a publication carries."""
    tags, publisher = publication.tags or b"", publication.publisher or b""
    return len(publication.data) + len(tags) + len(publisher)


class Recent:
    """The last publications of one channel, without a hole, oldest first."""

    __slots__ = ("_bytes", "_memory", "_publications")

    def __init__(self, memory: "RecentMemory") -> None:
        self._memory = memory
        self._publications: deque[StoredPublication] | None = None
        """None rather than empty: most channels of most workers are quiet."""
        self._bytes = 0

    @property
    def last(self) -> StoredPublication | None:
        """The newest publication, if it is here."""
        return self._publications[-1] if self._publications else None

    def add(self, publications: Sequence[StoredPublication]) -> None:
        """Keep what follows on what is here."""
        if self._publications is None:
            self._publications = deque()
        for each in publications:
            self._publications.append(each)
            self._count(each, 1)
        while self._is_too_large() and self._publications:
            self._count(self._publications.popleft(), -1)
        self._memory.touch(self)

    def fill(self, publications: Sequence[StoredPublication], top: int) -> None:
        """Keep older ones that were read, if they lead to what is here, or to `top` if nothing is
        here."""
        kept = self._publications or deque[StoredPublication]()
        first = kept[0].offset if kept else top + 1
        older = [each for each in publications if each.offset < first]
        if not older or older[-1].offset != first - 1:
            return
        self._publications = kept
        for each in reversed(older):
            if self._is_too_large(each):
                break
            kept.appendleft(each)
            self._count(each, 1)
        self._memory.touch(self)

    def after(
        self, offset: int, *, limit: int | None = None, limit_bytes: int | None = None
    ) -> list[StoredPublication] | None:
        """All that follow on `offset`, or the first of them within the limits, but one at least;
        None if not all are here."""
        kept = self._publications
        if not kept or not kept[0].offset <= offset + 1 <= kept[-1].offset:
            return None
        start = offset + 1 - kept[0].offset
        found: list[StoredPublication] = []
        size = 0
        for each in islice(kept, start, None if limit is None else start + limit):
            size += size_of(each)
            if limit_bytes is not None and size > limit_bytes and found:
                break
            found.append(each)
        return found

    def forget(self) -> None:
        """Keep nothing of what is here."""
        for each in self._publications or ():
            self._count(each, -1)
        self._publications = None
        self._memory.drop(self)

    def _count(self, publication: StoredPublication, times: int) -> None:
        size = size_of(publication)
        self._bytes += times * size
        self._memory.bytes += times * (size + OVERHEAD_BYTES)

    def _is_too_large(self, more: StoredPublication | None = None) -> bool:
        assert self._publications is not None
        count, size = len(self._publications), self._bytes
        if more is not None:
            count, size = count + 1, size + size_of(more)
        return count > self._memory.channel_publications or size > self._memory.channel_bytes


class RecentMemory:
    """What all channels of a process keep together, and how much each may."""

    def __init__(self, *, channel_publications: int, channel_bytes: int, limit_bytes: int) -> None:
        self.channel_publications = channel_publications
        self.channel_bytes = channel_bytes
        self.bytes = 0
        self._limit_bytes = limit_bytes
        self._by_age: OrderedDict[Recent, None] = OrderedDict()

    def touch(self, recent: Recent) -> None:
        """Note that `recent` was added to, and drop what is too much."""
        self._by_age[recent] = None
        self._by_age.move_to_end(recent)
        while self.bytes > self._limit_bytes and len(self._by_age) > 1:
            next(iter(self._by_age)).forget()

    def drop(self, recent: Recent) -> None:
        """Forget that there is `recent`."""
        self._by_age.pop(recent, None)
