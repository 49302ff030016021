"""The place in the outbox up to which a process has looked, whatever it watches.

One statement finds the channels with news, and costs the same for one watched channel and for
50,000: it reads the rows after the cursor, of which an idle outbox has none.

On PostgreSQL transactions commit in another order than they take ids, so a row may appear before
the newest one. A transaction takes ids only after it has a transaction id. So an id is settled (it
is visible, or its transaction was rolled back) once every transaction has ended that was running
when a newer id was seen. The cursor moves to settled ids only, and what lies behind it is read
again by the next look, which does no harm. While a transaction runs for very long, so many rows
may lie behind the cursor that all watched channels are compared in its place.
"""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import TextClause, text
from sqlalchemy.orm import Session

MOST_ROWS = 10_000
"""The rows that one look reads; some 10 ms of work for the database."""


@dataclass(frozen=True, slots=True)
class _Mark:
    """The newest id of one look. It is settled when no transaction before `next_transaction` runs
    any more."""

    newest_id: int
    next_transaction: int


class OutboxCursor:
    """Remembers what one process has seen of the outbox."""

    def __init__(self) -> None:
        self._settled: int | None = None
        self._marks: deque[_Mark] = deque()

    def look(self, session: Session) -> Mapping[str, int] | None:
        """The newest offsets of the channels that have had publications since the last look, also
        of some that were reported before.

        It needs a unit that sees the data of one moment.

        Returns:
            The offsets by channel; None if any channel may have news.
        """
        is_postgresql = session.get_bind().dialect.name == "postgresql"
        given = {"settled": self._settled, "most": MOST_ROWS}
        rows = session.execute(_POSTGRESQL if is_postgresql else _SQLITE, given).all()
        known = self._settled is not None
        self._settle(rows[0].newest_id or 0, rows[0].oldest, rows[0].following)
        offsets = {row.channel: row.top for row in rows if row.channel is not None}
        is_cut = sum(row.size or 0 for row in rows) >= MOST_ROWS
        return offsets if known and not is_cut else None

    def _settle(self, newest_id: int, oldest_running: int, next_transaction: int) -> None:
        self._marks.append(_Mark(max(newest_id, self._settled or 0), next_transaction))
        while self._marks and self._marks[0].next_transaction <= oldest_running:
            self._settled = self._marks.popleft().newest_id


def _statement(oldest: str, following: str) -> TextClause:
    # Without a cursor the inner query finds nothing: the history of an installation is long.
    return text(f"""
        SELECT seen.channel, seen.top, seen.size,
            (SELECT max(id) FROM trivet_publication) AS newest_id,
            {oldest} AS oldest, {following} AS following
        FROM (SELECT 1) AS one
        LEFT JOIN (
            SELECT channel, max("offset") AS top, count(*) AS size
            FROM (
                SELECT channel, "offset" FROM trivet_publication
                WHERE id > CAST(:settled AS bigint) ORDER BY id LIMIT :most
            ) AS later
            GROUP BY channel
        ) AS seen ON true
    """)  # noqa: S608  # of the constants below


_POSTGRESQL = _statement(
    "CAST(CAST(pg_snapshot_xmin(pg_current_snapshot()) AS text) AS bigint)",
    "CAST(CAST(pg_snapshot_xmax(pg_current_snapshot()) AS text) AS bigint)",
)
_SQLITE = _statement("0", "0")
"""Writers take turns there, so ids are committed in their order, and are settled at once."""
