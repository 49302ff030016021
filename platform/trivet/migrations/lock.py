"""One process migrates at a time, so that a rolling deployment may begin with it on every machine.

The others wait, and then find nothing to do. Neither they nor the one that has the lock keep a
snapshot of the database meanwhile: PostgreSQL builds an index concurrently when every older one is
gone, and a revision may build one. So the others look again and again, and wait in no statement.
"""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection, make_url, text

from trivet.data.single_connection import connect

_LOCK = 0x7472_6976_6574_6D67
"""The key of PostgreSQL's advisory lock: "trivetmg" in ASCII."""
_LOOK_SECONDS = 0.2
"""The time between two looks at whether the lock is free."""


@contextmanager
def one_at_a_time(url: str) -> Iterator[None]:
    """Wait until no other process migrates the database, and keep others waiting for the block.

    The lock ends with the process, however it ends.
    """
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite":
        with _locked(Path(parsed.database or "").resolve().parent):
            yield
        return
    with connect(url) as connection:
        while True:
            with connection.begin():
                if _locks(connection):
                    yield
                    return
            time.sleep(_LOOK_SECONDS)


def _locks(connection: Connection) -> bool:
    """Take the lock, if it is free, until the end of the transaction."""
    # Of a transaction, because a pooler may give the next one another session.
    given = {"key": _LOCK}
    is_ours = bool(connection.scalar(text("SELECT pg_try_advisory_xact_lock(:key)"), given))
    # It is idle meanwhile. This is the last statement, because a SELECT keeps its snapshot until
    # the next one.
    connection.execute(text("SET LOCAL idle_in_transaction_session_timeout = 0"))
    return is_ours


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    folder = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)
