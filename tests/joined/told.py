"""What the joined applications tell."""

from typing import Any

import msgspec

from tests.admin.house import House
from trivet.events.outbox import list_after


async def told(house: House, channel: str) -> list[Any]:
    async with house.platform.database.unit(read_only=True) as session:
        stored = await session.run_sync(list_after, channel, 0, limit=1000)
    return [msgspec.json.decode(each.data) for each in stored]
