"""The removal of expired sessions (`trivet.expired_rows`).

Django leaves them in the table until somebody calls its `clearsessions`, and the table grows with
every login. `trivet sessions clear` does the same by hand.
"""

from datetime import UTC, datetime

from trivet.expired_rows import EVERY_SECONDS, Connects, ExpiredRows
from trivet.identity.django_tables import sessions


class ExpiredSessions(ExpiredRows):
    """Removes expired sessions."""

    def __init__(self, database: Connects, *, seconds: float = EVERY_SECONDS) -> None:
        ends = sessions.c.expire_date
        super().__init__(
            database,
            "expired sessions",
            sessions,
            expired=lambda: ends <= datetime.now(UTC),
            order=ends,
            seconds=seconds,
        )
