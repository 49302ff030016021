"""Publishing by others than the feeds of rows: clients and the server API.

A stored publication is a row of the outbox, written by a unit of work and noted in the audit trail.
An ephemeral one is no row: it reaches who is subscribed at this moment.
"""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy.orm import Session as Database

from trivet.audit.entry import Entry, encode_changes
from trivet.data.session import TrivetSession
from trivet.events.appending import NewPublication
from trivet.events.outbox import PublicationRow, StoredPublication
from trivet.identity import Identity
from trivet_realtime import codes
from trivet_realtime.codes import CommandError
from trivet_realtime.protocol import ClientInfo, Json, encode_json
from trivet_realtime.protocol.codec import one_line

CARRIED_BYTES = 480 * 1024
"""The largest JSON that a message carries to other processes. It is a string there, in which a
quote takes two bytes, and brokers drop messages of more than 1 MiB."""


def record_publication(db: Database, _actor: Identity | None, publication: NewPublication) -> None:
    """Publish `publication` with the commit of the unit of `db`, and note it in the trail."""
    assert isinstance(db, TrivetSession)
    db.recorder.note(publication)
    if db.capture.audit is not None:
        changes: dict[str, Any] = {"data": {"to": publication.data}}
        if publication.tags is not None:
            changes["tags"] = {"to": publication.tags}
        table = PublicationRow.__tablename__
        db.recorder.note(Entry(table, publication.channel, "insert", encode_changes(changes)))


def new_publication(
    channel: str,
    data: Json,
    *,
    tags: dict[str, str] | None = None,
    publisher: ClientInfo | None = None,
    idempotency_key: str | None = None,
) -> NewPublication:
    """A publication of JSON that somebody sent."""
    return NewPublication(
        channel,
        _text(data) or "null",
        _text(encode_json(tags)) if tags else None,
        _text(encode_json(publisher)) if publisher is not None else None,
        idempotency_key or None,
    )


def ephemeral_publication(
    channel: str,
    data: Json,
    *,
    tags: dict[str, str] | None = None,
    publisher: ClientInfo | None = None,
) -> StoredPublication:
    """A publication that is stored nowhere, and so has no offset.

    Raises CommandError (106) for one that would reach the subscribers of one process alone.
    """
    new = new_publication(channel, data, tags=tags, publisher=publisher)
    texts = (new.data, new.tags or "", new.publisher or "")
    if sum(len(text.encode()) for text in texts) > CARRIED_BYTES:
        raise CommandError(codes.LIMIT_EXCEEDED)
    return StoredPublication(
        channel,
        0,
        new.data.encode(),
        datetime.now(UTC),
        None if new.tags is None else new.tags.encode(),
        None if new.publisher is None else new.publisher.encode(),
    )


def _text(raw: Json) -> str:
    return one_line(bytes(raw)).decode() if raw else ""
