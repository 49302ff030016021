"""Statements that wait for a row."""

from typing import Any

from sqlalchemy import (
    text,
)


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
