"""Many writers of one trail: it stays whole, and tells of each row in the row's own order."""

import random
from itertools import pairwise

import anyio
import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from tests.platform.notes import Note, add_note
from tests.platform.trail import check, noted
from trivet.data.database import Database

pytestmark = pytest.mark.anyio


async def test_twenty_writers_leave_a_whole_trail_in_the_order_of_each_row(
    database: Database,
) -> None:
    """Channels, rows and chains are taken by all of them, with rollbacks in between."""
    database._engines._connections = 20
    rolls = random.Random(11)
    async with database.unit() as session:
        shared = [await session.run_sync(add_note, "shared", f"shared {n}") for n in range(3)]
    committed = 0

    async def write(writer: int) -> None:
        nonlocal committed
        for turn in range(5):
            fails = rolls.random() < 0.25
            note = rolls.choice(shared).id
            boards = rolls.sample("abc", rolls.randint(1, 3))
            try:
                async with database.unit() as session:
                    await session.run_sync(count_up, note)
                    for board in boards:
                        await session.run_sync(add_note, board, f"{writer} {turn} {board}")
                    await anyio.sleep(rolls.random() / 500)
                    await session.run_sync(raise_if, fails)
                committed += 1 + len(boards)
            except LookupError:
                continue

    with anyio.fail_after(60):
        async with anyio.create_task_group() as group:
            for writer in range(20):
                group.start_soon(write, writer)
    verdict, damages = await check(database)
    assert damages == []
    assert verdict.entries == committed + len(shared)
    for note in shared:
        told = [c["board"] for _, _, key, c in await noted(database) if key == str(note.id)]
        steps = [(change.get("from"), change["to"]) for change in told]
        assert all(one[1] == other[0] for one, other in pairwise(steps)), steps


def raise_if(_db: Session, fails: bool) -> None:
    if fails:
        raise LookupError


def count_up(db: Session, note_id: int) -> None:
    """Change a row that other writers change too."""
    note = db.scalars(select(Note).where(Note.id == note_id).with_for_update()).one()
    db.refresh(note)
    note.board = f"shared-{int(note.board.partition('-')[2] or 0) + 1}"
