"""A relay that runs, and what it hands over."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import msgspec
from sqlalchemy import update

from tests.realtime.beacons.models import Beacon
from tests.realtime.house import create_tables, open_platform_with_django
from trivet import Platform
from trivet.broker import Broker
from trivet.delivery.relay import Relay
from trivet.events.outbox import Channel, Position, PublicationRow, StoredPublication

NORTH = "beacons:north"


class Ledger:
    """A receiver that writes down what it is given."""

    def __init__(self) -> None:
        self.delivered: dict[str, list[StoredPublication]] = {}
        self.invalidated: list[str] = []

    async def deliver(
        self, channel: str, epoch: str, publications: Sequence[StoredPublication]
    ) -> None:
        assert epoch
        self.delivered.setdefault(channel, []).extend(publications)

    async def invalidate(self, channel: str, position: Position) -> None:
        assert position.epoch
        self.invalidated.append(channel)

    def offsets(self, channel: str = NORTH) -> list[int]:
        return [publication.offset for publication in self.delivered.get(channel, [])]

    def labels(self, channel: str = NORTH) -> list[str]:
        events = [msgspec.json.decode(each.data) for each in self.delivered.get(channel, [])]
        return [each["label"] for each in events]


@asynccontextmanager
async def relaying(
    platform: Platform,
    *,
    broker: Broker | None = None,
    poll: float = 60,
    watching: Sequence[str] = (),
) -> AsyncIterator[tuple[Relay, Ledger]]:
    """A running relay; it listens to the platform's broker unless it is given another.

    It watches the channels of `watching` before it starts, so that its first look is at them.
    """
    relay = Relay(platform.database, broker or platform.broker, poll)
    relay.receiver = ledger = Ledger()
    for channel in watching:
        await relay.watch(channel)
    await relay.start()
    try:
        yield relay, ledger
    finally:
        await relay.stop()


async def light(platform: Platform, harbour: str, *labels: str) -> None:
    async with platform.database.unit() as session:
        session.add_all([Beacon(harbour=harbour, label=label) for label in labels])


async def grow_old(platform: Platform) -> None:
    """Let everything have happened two hours ago."""
    past = datetime.now(UTC) - timedelta(hours=2)
    async with platform.database.engine.begin() as connection:
        await connection.execute(update(PublicationRow).values(created_at=past))
        await connection.execute(
            update(Channel).where(Channel.kept_at.is_not(None)).values(kept_at=past)
        )


@asynccontextmanager
async def opened(empty_database_url: str) -> AsyncIterator[Platform]:
    """A platform whose own relay does not run."""
    platform = await asyncio.to_thread(open_platform_with_django, empty_database_url)
    await create_tables(platform)
    yield platform
    await platform.database.close()
