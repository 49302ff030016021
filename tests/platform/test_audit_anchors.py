"""What a check rests on: an anchor kept elsewhere, and the keys that are believed."""

import pytest
from sqlalchemy import text

from tests.platform.notes import SECRET, add_note
from tests.platform.trail import CHAIN, ENTRY, at, check, execute, write_notes
from trivet.audit import Anchor, AuditTrail
from trivet.data.capture import Capture
from trivet.data.database import Database
from trivet.errors import Invalid

pytestmark = pytest.mark.anyio


async def test_a_whole_database_that_was_set_back_is_found_with_an_anchor(
    database: Database,
) -> None:
    """Somebody keeps a copy of head and entries, and restores both: the seals are right."""
    await write_notes(database, 4)
    kept = f"UPDATE {CHAIN} SET length = {{}}, hash = '{{}}', seal = '{{}}' WHERE id = 0"
    async with database.engine.connect() as connection:
        head = await connection.execute(
            text(f"SELECT length, hash, seal FROM {CHAIN} WHERE id = 0")
        )
        length, newest, seal = head.one()
    early, _ = await check(database)
    async with database.unit() as session:
        await session.run_sync(add_note, "a", "to be hidden")
    late, _ = await check(database, anchor=early.anchor)
    assert late.is_clean

    await execute(
        database, f"DELETE FROM {ENTRY} WHERE id > {at(4)}", kept.format(length, newest, seal)
    )
    assert (await check(database))[0].is_clean
    _, damages = await check(database, anchor=late.anchor)
    assert [(d.kind, d.entry) for d in damages] == [("removed", at(5)), ("head", None)]
    async with database.unit() as session:
        await session.run_sync(add_note, "a", "something else")
    _, damages = await check(database, anchor=late.anchor)
    assert [d.kind for d in damages] == ["head"]
    assert (await check(database, anchor=early.anchor))[0].is_clean


async def test_an_anchor_survives_being_written_down(database: Database) -> None:
    await write_notes(database, 2)
    verdict, _ = await check(database)
    assert str(verdict.anchor).startswith("2.")
    assert Anchor.parse(f" {verdict.anchor}\n") == verdict.anchor


@pytest.mark.parametrize(
    "anchor", ["", "abc", "5.abc", f"-1.{'0' * 64}", f"{'1-' * 16}1.{'0' * 64}"]
)
def test_what_is_no_anchor_is_refused(anchor: str) -> None:
    with pytest.raises(Invalid, match="is no anchor"):
        Anchor.parse(anchor)


async def test_an_old_key_is_believed_and_an_unknown_one_is_not(database: Database) -> None:
    await write_notes(database, 3)
    database.capture = Capture(audit=AuditTrail(["new", SECRET]))
    async with database.unit() as session:
        await session.run_sync(add_note, "a", "with the new key")
    assert (await check(database, ("new", SECRET)))[0].is_clean
    _, damages = await check(database, ("new",))
    assert [d.entry for d in damages if d.kind == "edited"] == [at(1), at(2), at(3)]
    assert [d.kind for d in damages if d.entry is None] == ["key"], "the empty chains, in one line"


async def test_a_changed_secret_is_called_that_and_no_damage(database: Database) -> None:
    await write_notes(database, 3)
    verdict, damages = await check(database, ("another",))
    assert [d.kind for d in damages] == ["key"]
    assert "3 entries" in damages[0].detail
    assert len(verdict.other_keys) == 1


async def test_entries_written_under_a_changed_secret_hold_once_both_are_given(
    database: Database,
) -> None:
    await write_notes(database, 3)
    database.capture = Capture(audit=AuditTrail(["another"]))
    async with database.unit() as session:
        await session.run_sync(add_note, "a", "on the second day")
    _, under_new = await check(database, ("another",))
    assert [d.kind for d in under_new] == ["key"]
    _, under_both = await check(database, ("another", SECRET))
    # Whether entries were cut off while nobody could tell is no more to be known.
    assert [(d.kind, d.entry) for d in under_both] == [("head", None)]


async def test_a_seal_that_claims_another_key_hides_no_damage(database: Database) -> None:
    await write_notes(database, 3)
    await execute(
        database,
        f"UPDATE {CHAIN} SET seal = '{'ab' * 32}' WHERE id = 0",
        f"UPDATE {ENTRY} SET actor = 'bob' WHERE id = {at(2)}",
    )
    verdict, damages = await check(database)
    assert not verdict.is_clean
    assert {d.kind for d in damages} <= {"key", "head", "edited"}


@pytest.mark.parametrize("writes", [0, 1, 20])
async def test_a_trail_that_was_emptied_is_never_whole_again(
    database: Database, writes: int
) -> None:
    await write_notes(database)
    await execute(database, f"DELETE FROM {ENTRY}", f"DELETE FROM {CHAIN}", "DELETE FROM test_note")
    await write_notes(database, writes)
    verdict, damages = await check(database)
    assert not verdict.is_clean
    assert {damage.kind for damage in damages} == {"head"}


async def test_a_chain_that_was_taken_away_whole_is_not_begun_again(database: Database) -> None:
    await write_notes(database)
    await execute(
        database,
        f"DELETE FROM {ENTRY}",
        f"DELETE FROM {CHAIN} WHERE id = 0",
        "DELETE FROM test_note",
    )
    await write_notes(database, 2)
    _, damages = await check(database)
    assert [(damage.kind, damage.chain) for damage in damages] == [("head", 0)]


async def test_a_trail_begins_once(database: Database) -> None:
    trail = AuditTrail([SECRET])
    async with database.engine.begin() as connection:
        assert not await connection.run_sync(trail.begin), "there are heads"
    await write_notes(database, 1)
    await execute(database, f"DELETE FROM {CHAIN}")
    async with database.engine.begin() as connection:
        assert not await connection.run_sync(trail.begin), "there are entries"


async def test_an_empty_trail_is_whole(database: Database) -> None:
    verdict, _ = await check(database)
    assert (verdict.is_clean, verdict.entries, str(verdict.anchor)[:2]) == (True, 0, "0.")
