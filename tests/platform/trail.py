"""A trail to look at: who writes it, what stands in it, and what a check says of it."""

import json
from typing import Any

from sqlalchemy import text

from tests.platform.notes import SECRET, add_note
from trivet.audit import Anchor, AuditEntry, AuditTrail, Damage, Verdict, verify
from trivet.audit.reading import list_entries
from trivet.audit.tables import CHAINS
from trivet.data.database import Database
from trivet.identity import Identity

ADA = Identity(user_id=7, username="ada", kind="key", credential_id="tvt_ada")

ENTRY = "trivet_audit_entry"
CHAIN = "trivet_audit_chain"


async def entries(database: Database) -> list[AuditEntry]:
    """The whole trail, oldest first."""
    async with database.unit(read_only=True) as session:
        found = await session.run_sync(lambda db: list_entries(db, limit=100_000))
    return found[::-1]


async def noted(database: Database) -> list[tuple[str, str, str, Any]]:
    return [
        (e.kind, e.table_name, e.row_key, json.loads(e.changes)) for e in await entries(database)
    ]


async def check(
    database: Database, secrets: tuple[str, ...] = (SECRET,), anchor: Anchor | None = None
) -> tuple[Verdict, list[Damage]]:
    found: list[Damage] = []
    async with database.unit(read_only=True) as session:
        trail = AuditTrail(secrets)
        verdict = await session.run_sync(
            lambda db: verify(db, trail, anchor=anchor, report=found.append)
        )
    assert verdict.damages == len(found)
    return verdict, found


async def execute(database: Database, *statements: str) -> None:
    """What somebody does who can write to the database and does not know the key."""
    async with database.engine.begin() as connection:
        for statement in statements:
            await connection.execute(text(statement))


async def write_notes(database: Database, count: int = 6) -> None:
    for number in range(count):
        async with database.unit(actor=ADA) as session:
            await session.run_sync(add_note, "a", f"note {number}")


def at(position: int) -> int:
    """The id of an entry of chain 0, where writers go as long as they come one by one."""
    return position * CHAINS
