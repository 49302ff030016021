"""Channels whose history is gone."""

from sqlalchemy import delete

from tests.realtime.house import House
from trivet.events.outbox import Channel, PublicationRow

NORTH = "beacons:north"


async def epoch_of(house: House, channel: str = NORTH) -> str:
    async with house.platform.database.unit(read_only=True) as session:
        found = await session.get(Channel, channel)
        assert found is not None
        return found.epoch


async def forget(house: House, below: int) -> None:
    """Lose the publications below an offset, as retention would."""
    async with house.platform.database.engine.begin() as connection:
        await connection.execute(delete(PublicationRow).where(PublicationRow.offset < below))
