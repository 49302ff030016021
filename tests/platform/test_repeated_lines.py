"""What a library says again and again for as long as an outage lasts."""

import logging
from collections.abc import Callable

from trivet.repeated_lines import SILENT_SECONDS, RepeatedLines


def test_a_pool_that_cannot_connect_says_each_reason_once(json_log: Callable[[], str]) -> None:
    pool = logging.getLogger("psycopg.pool")
    for reason in ("too many connections", "too many connections", "starting up", "starting up"):
        pool.warning("error connecting in %r: %s", "pool-1", f"of the log: {reason}")
        pool.warning("reconnection attempt in pool %r failed after %s sec", "pool of the log", 1)
    lines = json_log().splitlines()
    for words in ("of the log: too many", "of the log: starting", "failed after 1 sec"):
        assert len([line for line in lines if words in line]) == 1, lines


def test_what_lasts_is_said_again_after_a_while() -> None:
    now = 0.0
    lines = RepeatedLines(clock=lambda: now)
    record = logging.makeLogRecord({"msg": "error connecting: %s", "args": ("refused",)})
    assert [lines(record), lines(record)] == [True, False]
    now = SILENT_SECONDS
    assert [lines(record), lines(record)] == [True, False]
