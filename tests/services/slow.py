"""Statements that cost more than anybody waits for, on both databases."""

from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

COUNT = (
    "WITH RECURSIVE number(n) AS (SELECT CAST(1 AS BIGINT) UNION ALL "
    "SELECT n + 1 FROM number WHERE n < {}) SELECT count(*) FROM number"
)
ENDLESS = COUNT.format(10**12)
"""Takes a machine of today a week."""
SLOW = COUNT.format(3 * 10**6)
"""Takes long enough that the briefest limit of the tests would stop it, and is waited for."""
BRIEF_SECONDS = 0.05


def count_endlessly(db: Session) -> Any:
    return db.scalar(text(ENDLESS))


def count_slowly(db: Session) -> Any:
    return db.scalar(text(SLOW))
