"""SQLAlchemy's own DateTime(timezone=True) keeps its instant on both databases."""

import datetime as dt

import pytest
from sqlalchemy import DateTime, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from trivet import Model
from trivet.data.database import Database
from trivet.models.types import BigKey

pytestmark = pytest.mark.anyio

OSLO = dt.timezone(dt.timedelta(hours=2))
DEPARTURE = dt.datetime(2013, 2, 4, 1, 30, 0, 250, tzinfo=OSLO)


class Sailing(Model):
    __tablename__ = "test_sailing"

    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    departs_at: Mapped[dt.datetime] = mapped_column(DateTime(timezone=True))
    arrives_at: Mapped[dt.datetime | None] = mapped_column(DateTime(timezone=True))


def add(db: Session) -> None:
    db.add(Sailing(departs_at=DEPARTURE))


async def test_an_instant_is_read_back_as_it_was_set(database: Database) -> None:
    async with database.unit() as session:
        await session.run_sync(add)
    async with database.unit(read_only=True) as session:
        sailing = (await session.scalars(select(Sailing))).one()
    assert sailing.departs_at == DEPARTURE
    assert sailing.departs_at.utcoffset() == dt.timedelta(0)
    assert sailing.arrives_at is None


@pytest.mark.parametrize(("seconds", "count"), [(0, 1), (-1, 1), (1, 0)])
async def test_an_instant_is_found_from_any_zone(
    database: Database, seconds: int, count: int
) -> None:
    async with database.unit() as session:
        await session.run_sync(add)
    since = (DEPARTURE + dt.timedelta(seconds=seconds)).astimezone(dt.UTC)
    async with database.unit(read_only=True) as session:
        found = await session.scalars(select(Sailing).where(Sailing.departs_at >= since))
        assert len(found.all()) == count
