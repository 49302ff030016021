"""Databases that can only be read for a while, of both kinds."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

WRITE_VERSION = 18
"""The place of the version that a program has to know in order to write a SQLite file: with a newer
one the file is read-only, for root too (https://www.sqlite.org/fileformat.html, 1.3.3)."""


@contextmanager
def read_only(url: str) -> Iterator[None]:
    """Let the database at `url` be read but not written during the block. Its connections end."""
    if url.startswith("sqlite"):
        with _read_only_file(Path(url.removeprefix("sqlite:///"))):
            yield
        return
    address, _, name = url.rpartition("/")
    with psycopg.connect(f"{address}/postgres", autocommit=True) as server:
        try:
            server.execute(
                f'ALTER DATABASE "{name}" SET default_transaction_read_only = on'.encode()
            )
            _cut(server, name)
            yield
        finally:
            server.execute(f'ALTER DATABASE "{name}" RESET default_transaction_read_only'.encode())


def _cut(server: psycopg.Connection, name: str) -> None:
    query = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = %s"
    server.execute(query, [name])


@contextmanager
def _read_only_file(file: Path) -> Iterator[None]:
    with file.open("r+b") as opened:
        opened.seek(WRITE_VERSION)
        version = opened.read(1)
    _write_version(file, b"\x03")
    try:
        yield
    finally:
        _write_version(file, version)


def _write_version(file: Path, version: bytes) -> None:
    with file.open("r+b") as opened:
        opened.seek(WRITE_VERSION)
        opened.write(version)
