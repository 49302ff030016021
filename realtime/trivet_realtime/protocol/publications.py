"""Stored publications as the protocol carries them."""

from datetime import datetime

import msgspec
from msgspec import Raw

from trivet.events.outbox import StoredPublication
from trivet_realtime.protocol.messages import ClientInfo, Publication
from trivet_realtime.protocol.tags import read_tags


def to_protocol(stored: StoredPublication) -> Publication:
    """A stored publication as the protocol carries it."""
    publication = Publication(Raw(stored.data), stored.offset, _milliseconds(stored.created_at))
    if stored.tags is not None:
        publication.tags = read_tags(stored.tags)
    if stored.publisher is not None:
        publication.info = _infos.decode(stored.publisher)
    return publication


_infos = msgspec.json.Decoder(ClientInfo)


def _milliseconds(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)
