"""One reading of the outbox: the new publications of the watched channels."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from sqlalchemy.orm import Session

from trivet.data.database import Database
from trivet.events import outbox
from trivet.events.outbox import Position, StoredPublication

NOWHERE = Position(epoch="", offset=0)
"""The position of a channel that does not exist yet. It gets an epoch when it is opened."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One reading of a channel: its position, and the publications that come next."""

    channel: str
    position: Position
    publications: Sequence[StoredPublication]

    def continues(self, known: Position) -> bool:
        """Whether this continues exactly after `known`, in the same epoch of the channel.

        So does a channel that was opened since then and has no publication.
        """
        if known.epoch not in ("", self.position.epoch):
            return False
        offsets = [publication.offset for publication in self.publications]
        if not offsets:
            return self.position.offset == known.offset
        first = known.offset + 1
        return offsets == list(range(first, first + len(offsets)))


async def read_new(
    database: Database, known: Mapping[str, Position], *, limit: int
) -> list[Reading]:
    """The publications of the channels of `known` beyond those positions, about `limit` of them
    in all, and at least one of each channel that has any: the rest follows later.

    All of it is of one moment. PostgreSQL gives it by one statement without a transaction around
    it, which is what a wake-up waits for.
    """
    if database.is_sqlite:
        async with database.unit(read_only=True) as session:
            return await session.run_sync(_read_in_turn, known, limit)
    values = {
        "names": list(known),
        "reached": [position.offset for position in known.values()],
        "limit": max(limit // len(known), 1),
    }
    async with database.single_query_engine.connect() as connection:
        rows = (await connection.exec_driver_sql(_READ_NEW, values)).all()
    readings = []
    for channel, of_channel in groupby(rows, key=lambda row: str(row[0])):
        found = list(of_channel)
        position = Position(found[0].epoch, found[0].top_offset)
        if position != known[channel]:
            readings.append(Reading(channel, position, [_stored(row) for row in found if row.at]))
    return readings


_READ_NEW = """
    SELECT channel.name, channel.epoch, channel.top_offset,
        later."offset" AS at, later.data, later.created_at, later.tags, later.publisher
    FROM unnest(CAST(%(names)s AS varchar[]), CAST(%(reached)s AS bigint[]))
        AS known (name, reached)
    JOIN trivet_channel AS channel ON channel.name = known.name
    LEFT JOIN LATERAL (
        SELECT "offset", data, created_at, tags, publisher FROM trivet_publication
        WHERE channel = known.name AND "offset" > known.reached
        ORDER BY "offset" LIMIT %(limit)s
    ) AS later ON true
    ORDER BY channel.name, later."offset"
"""


def _stored(row: Any) -> StoredPublication:
    return StoredPublication(
        row.name,
        row.at,
        row.data.encode(),
        row.created_at,
        None if row.tags is None else row.tags.encode(),
        None if row.publisher is None else row.publisher.encode(),
    )


def _read_in_turn(session: Session, known: Mapping[str, Position], limit: int) -> list[Reading]:
    readings = []
    for channel, position in outbox.positions(session, known).items():
        if position != known[channel]:
            rows = outbox.list_after(session, channel, known[channel].offset, limit=max(limit, 1))
            limit -= len(rows)
            readings.append(Reading(channel, position, rows))
    return readings
