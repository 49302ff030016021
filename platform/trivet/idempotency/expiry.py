"""The removal of kept answers that are past their time (`trivet.expired_rows`).

Such an answer counts as absent (`trivet.idempotency.claiming`), but it holds what somebody was
told.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

from trivet.expired_rows import EVERY_SECONDS, Connects, ExpiredRows
from trivet.idempotency.tables import IdempotencyKey

LOOKS = 8
"""The looks of a process in the time for which an answer is kept, if that is short."""


class KeptAnswers(ExpiredRows):
    """Removes what is older than `hours`."""

    def __init__(self, database: Connects, hours: float) -> None:
        age = timedelta(hours=hours)
        table: Any = IdempotencyKey.__table__
        made = table.c.created_at
        super().__init__(
            database,
            "kept answers that are past their time",
            table,
            expired=lambda: made < datetime.now(UTC) - age,
            order=made,
            seconds=min(EVERY_SECONDS, age.total_seconds() / LOOKS),
        )
