"""Views: a subscriber that gets another form of a channel's publications than all others do.

Most subscribers share one frame. A view filters by tags, or sends the differences between
publications. What it needs of a publication is made once for all subscribers with such a view.
"""

from collections.abc import Sequence
from functools import cached_property

from trivet.events.outbox import StoredPublication
from trivet_realtime.frames import Frame
from trivet_realtime.protocol import Publication, encode_json, encode_publication
from trivet_realtime.protocol.delta import make_delta
from trivet_realtime.protocol.publications import to_protocol
from trivet_realtime.protocol.tags import Filter, Tags, read_tags

NOTHING = Frame(b"")
"""In place of a publication that a view leaves out: its offset counts, and nothing is sent."""

LARGEST_DELTA = 64 * 1024
"""Bytes of a publication. Of larger ones the difference takes too long to find."""


class Parcel:
    """One publication of a channel, in every form that somebody asks for.

    `previous` is the JSON of the publication before it; None if it is not at hand.
    """

    def __init__(self, stored: StoredPublication, previous: bytes | None) -> None:
        self.stored = stored
        self._previous = previous

    @cached_property
    def frame(self) -> Frame:
        """The publication for those who have no view."""
        return Frame(encode_publication(self.stored.channel, to_protocol(self.stored)))

    @cached_property
    def tags(self) -> Tags:
        return read_tags(self.stored.tags)

    @cached_property
    def whole(self) -> Frame:
        """The publication as a text, from which the next difference is told."""
        return Frame(encode_publication(self.stored.channel, as_text(to_protocol(self.stored))))

    @cached_property
    def difference(self) -> Frame:
        """The publication as its difference from the previous one, if that is shorter."""
        data, previous = self.stored.data, self._previous
        if previous is None or max(len(data), len(previous)) > LARGEST_DELTA:
            return self.whole
        delta = make_delta(previous, data)
        if len(delta) >= len(data):
            return self.whole
        publication = to_protocol(self.stored)
        publication.data = encode_json(delta.decode())
        publication.delta = True
        return Frame(encode_publication(self.stored.channel, publication))


class View:
    """How one subscription sees its channel. A filter and differences exclude each other: what a
    filter leaves out could not be a base."""

    __slots__ = ("_filter", "_has_base", "is_delta")

    def __init__(self, tags_filter: Filter | None, *, is_delta: bool) -> None:
        self._filter = tags_filter
        self.is_delta = is_delta and tags_filter is None
        self._has_base = False

    def without_differences(self) -> "View | None":
        """How a judged subscriber sees the channel: what it was not sent is no base."""
        return None if self.is_delta else self

    def frame(self, parcel: Parcel, *, is_next: bool) -> Frame:
        """The publication as this subscription gets it.

        Unless it `is_next` for certain, it goes whole: a publication that is held, or that a
        recovery may have brought already, is no base for the one after it.
        """
        if self._filter is not None:
            return parcel.frame if self._filter.matches(parcel.tags) else NOTHING
        had_base, self._has_base = self._has_base, is_next
        return parcel.difference if had_base and is_next else parcel.whole

    def recovered(self, publications: Sequence[StoredPublication]) -> tuple[Publication, ...]:
        """Publications of a recovery as this subscription gets them."""
        if self._filter is not None:
            passing = (p for p in publications if self._filter.matches(read_tags(p.tags)))
            return tuple(map(to_protocol, passing))
        return tuple(as_text(to_protocol(each)) for each in publications)


def as_text(publication: Publication) -> Publication:
    """The publication with its data as a JSON string, the form of channels with differences."""
    data = publication.data
    publication.data = encode_json(bytes(data).decode())
    return publication
