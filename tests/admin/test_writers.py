"""Many writers through both doors: every commit is published once, in commit order.

The order is checked against the database's own: PostgreSQL notes when each transaction was
committed (`track_commit_timestamp`).
"""

import asyncio
import random
from collections import Counter
from typing import Any

import msgspec
import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from tests.admin.house import House
from trivet import Identity

pytestmark = pytest.mark.anyio

WRITERS, CHANNELS = 20, 10


def shares(database_kind: str) -> int:
    """Commits in all: SQLite has one writer at a time, and order is no question there."""
    return 800 if database_kind == "postgresql" else 200


def add_items(db: Session, names: dict[str, str], fails: bool) -> None:
    from tests.admin.stock.models import Item

    for category, name in names.items():
        db.add(Item(name=name, category_id=category))
        db.flush()
    if fails:
        raise LookupError


def add_items_with_django(
    db: Session, _actor: Identity, names: dict[str, str], fails: bool
) -> None:
    from django.apps import apps

    item: Any = apps.get_model("stock", "Item")
    for category, name in names.items():
        item.objects.create(name=name, category_id=category)
    if fails:
        raise LookupError


@pytest.mark.timeout(300)  # hundreds of commits under coverage, beside other runs
async def test_every_commit_of_twenty_writers_is_published_once_in_commit_order(
    house: House, database_kind: str
) -> None:
    platform, total = house.platform, shares(database_kind)
    async with platform.database.engine.begin() as connection:
        for number in range(CHANNELS):
            row = f"INSERT INTO stock_category (code, name) VALUES ('c{number}', 'C')"
            await connection.execute(text(row))
    committed: list[tuple[str, str]] = []

    async def write(writer: int) -> None:
        chance, number = random.Random(writer), 0
        while len(committed_transactions) < total:
            number += 1
            channels = chance.sample(range(CHANNELS), chance.choice([1, 1, 2, 3]))
            names = {f"c{channel}": f"W{writer}-{number}" for channel in channels}
            fails = chance.random() < 0.2
            await asyncio.sleep(chance.random() / 100)
            try:
                if writer % 4 == 0:
                    await platform.run_with_django(add_items_with_django, names, fails)
                else:
                    async with platform.database.unit() as session:
                        await session.run_sync(add_items, names, fails)
            except LookupError:
                continue
            committed_transactions.append(number)
            committed.extend(names.items())

    committed_transactions: list[int] = []
    async with asyncio.TaskGroup() as tasks:
        for writer in range(WRITERS):
            tasks.create_task(write(writer))
    assert len(committed_transactions) >= total
    query = 'SELECT channel, "offset", data, {} FROM trivet_publication ORDER BY channel, "offset"'
    is_postgres = database_kind == "postgresql"
    rows = await house.rows(query.format("pg_xact_commit_timestamp(xmin)" if is_postgres else "id"))
    published = []
    by_channel: dict[str, list[tuple[int, Any]]] = {}
    for channel, offset, data, moment in rows:
        by_channel.setdefault(channel, []).append((offset, moment))
        published.append((channel.removeprefix("stock:"), msgspec.json.decode(data)["name"]))
    assert Counter(published) == Counter(committed)
    assert len(by_channel) == CHANNELS
    for told in by_channel.values():
        assert [offset for offset, _ in told] == list(range(1, len(told) + 1))
        moments = [moment for _, moment in told]
        assert moments == sorted(moments)
