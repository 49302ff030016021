"""One process migrates at a time, so that a rolling deployment may begin with it on every machine.

The others wait, and then find nothing to do.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import make_url, text

from trivet.migrations.connection import connect

_LOCK = 0x7472_6976_6574_6D67
"""The key of PostgreSQL's advisory lock: "trivetmg" in ASCII."""


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
    with connect(url) as connection, connection.begin():
        # Of a transaction, because a pooler may give the next one another session.
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
        yield


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    folder = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)
