"""A change inside a document is a change: it is stored, judged and audited, or nothing is."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Mapped, Session, mapped_column

from tests.platform.trail import entries
from trivet import Model
from trivet.data.database import Database
from trivet.models.types import BigKey

pytestmark = pytest.mark.anyio


class Crate(Model):
    __tablename__ = "test_crate"

    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    labels: Mapped[dict[str, Any]]
    stops: Mapped[list[Any] | None]


LABELS = {"gate": 7, "tags": ["cold"], "size": {"wide": 1}}


def add(db: Session) -> Crate:
    crate = Crate(labels=json.loads(json.dumps(LABELS)))
    db.add(crate)
    return crate


def find(db: Session) -> Crate:
    return db.scalars(select(Crate)).one()


def set_key(crate: Crate) -> None:
    crate.labels["gate"] = 8


def append_within(crate: Crate) -> None:
    crate.labels["tags"].append("late")


def make_one_true(crate: Crate) -> None:
    crate.labels["size"]["wide"] = True


def remove_key(crate: Crate) -> None:
    del crate.labels["size"]


def form(document: Any) -> str:
    """Here true is no 1. The order of keys is left out: PostgreSQL keeps none."""
    return json.dumps(document, sort_keys=True)


def set_key_and_assign(crate: Crate) -> None:
    crate.labels["gate"] = 9
    crate.labels = crate.labels


def assign_and_set_key(crate: Crate) -> None:
    crate.labels = crate.labels
    crate.labels["gate"] = 10


def append_within_and_copy(crate: Crate) -> None:
    crate.labels["tags"].append("late")
    crate.labels = {**crate.labels}


def set_key_and_replace(crate: Crate) -> None:
    crate.labels["gate"] = 11
    crate.labels = {"gate": 12}


CHANGES = [
    *(set_key, append_within, make_one_true, remove_key),
    *(set_key_and_assign, assign_and_set_key, append_within_and_copy, set_key_and_replace),
]
Change = Callable[[Crate], None]


@pytest.mark.parametrize("change", CHANGES)
async def test_what_a_service_changes_inside_a_document_is_stored_and_audited(
    database: Database, change: Change
) -> None:
    async with database.unit() as session:
        await session.run_sync(add)

    def change_and_forget(db: Session) -> None:
        change(find(db))  # nobody holds the instance any more

    async with database.unit() as session:
        await session.run_sync(change_and_forget)

    change(expected := Crate(labels=json.loads(json.dumps(LABELS))))
    async with database.unit(read_only=True) as session:
        assert form((await session.run_sync(find)).labels) == form(expected.labels)
    changed = json.loads((await entries(database))[-1].changes)
    assert form(changed) == form({"labels": {"from": LABELS, "to": expected.labels}})


@pytest.mark.parametrize("change", CHANGES)
async def test_a_flush_in_between_loses_nothing(database: Database, change: Change) -> None:
    async with database.unit() as session:
        await session.run_sync(add)

    def change_twice(db: Session) -> None:
        crate = find(db)
        change(crate)
        crate.stops = ["Bergen"]
        db.flush()  # as any query does

    async with database.unit() as session:
        await session.run_sync(change_twice)
    change(expected := Crate(labels=json.loads(json.dumps(LABELS))))
    async with database.unit(read_only=True) as session:
        assert form((await session.run_sync(find)).labels) == form(expected.labels)
    told = [json.loads(entry.changes).get("labels") for entry in (await entries(database))[1:]]
    changed = {"from": LABELS, "to": expected.labels}
    assert form([each for each in told if each]) == form([changed])


async def test_what_was_stored_in_the_same_unit_is_watched_too(database: Database) -> None:
    async with database.unit() as session:
        crate = await session.run_sync(add)
        await session.flush()
        set_key(crate)
        await session.run_sync(lambda _db: append_within(crate))
        crate.stops = ["Bergen"]
        await session.flush()
        crate.stops.append("Oslo")
    async with database.unit(read_only=True) as session:
        crate = await session.run_sync(find)
    assert (crate.labels["gate"], crate.labels["tags"]) == (8, ["cold", "late"])
    assert crate.stops == ["Bergen", "Oslo"]


async def test_what_is_the_same_inside_changes_nothing(database: Database) -> None:
    async with database.unit() as session:
        await session.run_sync(add)
    count = len(await entries(database))
    async with database.unit() as session:
        crate = await session.run_sync(find)
        crate.labels["tags"].append("late")
        crate.labels["tags"].remove("late")
    assert len(await entries(database)) == count


async def test_what_was_rolled_back_with_a_savepoint_is_not_brought_back(
    database: Database,
) -> None:
    async with database.unit() as session:
        await session.run_sync(add)

    def change_in_vain(db: Session) -> None:
        crate = find(db)
        savepoint = db.begin_nested()
        crate.labels = {**crate.labels, "gate": 9}
        db.flush()
        savepoint.rollback()
        assert crate.labels["gate"] == 7

    async with database.unit() as session:
        await session.run_sync(change_in_vain)
    async with database.unit(read_only=True) as session:
        assert (await session.run_sync(find)).labels == LABELS
