"""What a check of the trail finds: each way to tamper with it, and the entries that it names."""

import pytest

from tests.platform.notes import add_note
from tests.platform.trail import CHAIN, ENTRY, at, check, execute, write_notes
from trivet.audit import AuditEntry
from trivet.data.database import Database

pytestmark = pytest.mark.anyio


def swap(first: int, second: int) -> list[str]:
    """Exchange two entries."""
    return [
        f"UPDATE {ENTRY} SET id = -1 WHERE id = {first}",
        f"UPDATE {ENTRY} SET id = {first} WHERE id = {second}",
        f"UPDATE {ENTRY} SET id = {second} WHERE id = -1",
    ]


def copy(to: int, source: int, **changes: str) -> str:
    columns = [column.key for column in AuditEntry.__table__.columns]
    values = {name: name for name in columns} | {"id": str(to)} | changes
    chosen = ", ".join(values[name] for name in columns)
    into = f"INSERT INTO {ENTRY} ({', '.join(columns)})"
    return f"{into} SELECT {chosen} FROM {ENTRY} WHERE id = {source}"


TAMPERING = {
    "nothing": ([], []),
    "a field is edited": (
        [f"UPDATE {ENTRY} SET actor = 'bob' WHERE id = {at(3)}"],
        [("edited", at(3))],
    ),
    "the time is edited": (
        [f"UPDATE {ENTRY} SET at = '2020-01-01 00:00:00+00:00' WHERE id = {at(2)}"],
        [("edited", at(2))],
    ),
    "a change is edited, and its hash made up": (
        [f"UPDATE {ENTRY} SET changes = '{{}}', hash = '{'0' * 64}' WHERE id = {at(2)}"],
        [("edited", at(2))],
    ),
    "two entries are edited": (
        [f"UPDATE {ENTRY} SET origin = 'api' WHERE id IN ({at(1)}, {at(6)})"],
        [("edited", at(1)), ("edited", at(6))],
    ),
    "one in the middle is deleted": (
        [f"DELETE FROM {ENTRY} WHERE id = {at(3)}"],
        [("removed", at(3))],
    ),
    "the first is deleted": ([f"DELETE FROM {ENTRY} WHERE id = {at(1)}"], [("removed", at(1))]),
    "the last is deleted": ([f"DELETE FROM {ENTRY} WHERE id = {at(6)}"], [("removed", at(6))]),
    "the last two are deleted": (
        [f"DELETE FROM {ENTRY} WHERE id >= {at(5)}"],
        [("removed", at(5))],
    ),
    "the last is deleted, and the head set back": (
        [
            f"UPDATE {CHAIN} SET length = 5, hash = "
            f"(SELECT hash FROM {ENTRY} WHERE id = {at(5)}) WHERE id = 0",
            f"DELETE FROM {ENTRY} WHERE id = {at(6)}",
        ],
        [("head", None)],
    ),
    "two neighbours are exchanged": (
        swap(at(3), at(4)),
        [("moved", at(3)), ("moved", at(4))],
    ),
    "two are exchanged": (swap(at(2), at(5)), [("moved", at(2)), ("moved", at(5))]),
    "the first and the last are exchanged": (
        swap(at(1), at(6)),
        [("moved", at(1)), ("moved", at(6))],
    ),
    "one is deleted, and those behind it close up": (
        [
            f"DELETE FROM {ENTRY} WHERE id = {at(5)}",
            f"UPDATE {ENTRY} SET id = {at(5)} WHERE id = {at(6)}",
        ],
        [("edited", at(5)), ("removed", at(6))],
    ),
    "a forged one is appended": (
        [copy(at(7), at(6), actor="'bob'")],
        [("inserted", at(7))],
    ),
    "a forged one takes the place of another": (
        [f"DELETE FROM {ENTRY} WHERE id = {at(4)}", copy(at(4), at(6), actor="'bob'")],
        [("edited", at(4))],
    ),
    "a copy is put into a chain that nobody used": (
        [copy(at(1) + 5, at(1))],
        [("inserted", at(1) + 5)],
    ),
    "one with an impossible id is added": ([copy(3, at(1))], [("inserted", 3)]),
    "the head is edited": (
        [f"UPDATE {CHAIN} SET length = 9 WHERE id = 0"],
        [("head", None), ("removed", at(7))],
    ),
    "the head's seal is edited": (
        [f"UPDATE {CHAIN} SET seal = 'x' WHERE id = 0"],
        [("head", None)],
    ),
    "a head is deleted": ([f"DELETE FROM {CHAIN} WHERE id = 11"], [("head", None)]),
    "the entries are all deleted": ([f"DELETE FROM {ENTRY}"], [("removed", at(1))]),
}


@pytest.mark.parametrize("tampering", TAMPERING)
async def test_a_check_names_what_was_done_to_the_trail(database: Database, tampering: str) -> None:
    statements, expected = TAMPERING[tampering]
    await write_notes(database)
    await execute(database, *statements)
    verdict, damages = await check(database)
    assert [(damage.kind, damage.entry) for damage in damages] == expected
    assert verdict.is_clean == (not expected)


async def test_a_head_that_was_set_back_stays_damaged_when_writing_goes_on(
    database: Database,
) -> None:
    await write_notes(database)
    statements, _ = TAMPERING["the last is deleted, and the head set back"]
    await execute(database, *statements)
    async with database.unit() as session:
        await session.run_sync(add_note, "a", "later")
    _, damages = await check(database)
    assert [damage.kind for damage in damages] == ["head"]
