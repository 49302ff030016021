"""Statements that wait."""

import asyncio
from typing import Any

from sqlalchemy import text

from trivet.data.database import Database

FOR_A_LOCK = "wait_event_type = 'Lock'"


async def until_waiting(database: Database, condition: str, *, least: int = 1) -> None:
    """Wait until so many statements in `database` wait as `condition` says."""
    waiting = text(
        "SELECT count(*) FROM pg_stat_activity "  # of the tests' own conditions
        f"WHERE datname = current_database() AND {condition}"
    )
    async with asyncio.timeout(20):
        while True:
            async with database.single_query() as session:
                if (await session.scalar(waiting) or 0) >= least:
                    return
            await asyncio.sleep(0.05)


def await_blocked(connection: Any) -> None:
    """Wait until a statement waits for a row."""
    query = text(
        "SELECT count(*) FROM pg_stat_activity "
        "WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    for _ in range(3000):
        if connection.scalar(query):
            connection.rollback()
            return
        connection.rollback()
        connection.scalar(text("SELECT pg_sleep(0.02)"))
    raise AssertionError("nobody waits")
