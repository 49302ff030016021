"""SQLAlchemy on Django's own connection, so that both ORMs share one transaction.

The connection is lent: SQLAlchemy may execute on it, and its commit, rollback and close do
nothing, because Django ends the transaction. One engine a database kind serves the whole
process, for SQLAlchemy keeps its compiled statements with the engine.
"""

import json
import threading
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, Engine, create_engine
from sqlalchemy.engine import Dialect
from sqlalchemy.pool import NullPool

from trivet.data.bulk.inserts import insert_by_arrays
from trivet.data.listeners import listen_to_many
from trivet.data.sqlite import keep_zones

_ENGINE_OPTIONS: dict[str, tuple[str, dict[str, Any]]] = {
    # hstore would cost a look-up in the catalogue, and would be registered on Django's side.
    "postgresql": ("postgresql+psycopg://", {"use_native_hstore": False}),
    "sqlite": ("sqlite+pysqlite://", {}),
}


class _SharedConnection(threading.local):
    """The connection that this thread is lending at this moment; an engine's creator takes
    no argument, so it finds the connection here."""

    borrowed: "BorrowedConnection | None" = None


_shared = _SharedConnection()


class BorrowedConnection:
    """A DBAPI connection of Django's, as SQLAlchemy may use it."""

    def __init__(self, raw: Any) -> None:
        self._raw = raw

    def cursor(self, *args: Any, **options: Any) -> Any:
        return self._raw.cursor(*args, **options)

    def commit(self) -> None:
        """Nothing: Django commits."""

    def rollback(self) -> None:
        """Nothing: Django rolls back."""

    def close(self) -> None:
        """Nothing: Django closes."""

    def add_notice_handler(self, _handler: Any) -> None:
        """Nothing: handlers would pile up on a connection that a pool keeps."""

    def create_function(self, *_args: Any, **_options: Any) -> None:
        """Nothing: Django's own SQLite functions stand, REGEXP among them."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._raw, name)


class BorrowedPostgresConnection(BorrowedConnection):
    """Gives cursors that load and write as psycopg does by itself.

    Django's connection passes JSON and addresses through as text, writes naive ranges as aware
    ones, and binds on the client. SQLAlchemy gets plain psycopg cursors, and the adapters on the
    cursor: on the connection they would change what Django reads.
    """

    def cursor(self, *args: Any, **options: Any) -> Any:
        from psycopg import Cursor, ServerCursor
        from psycopg.types.json import set_json_loads
        from psycopg.types.net import CidrLoader, InetLoader
        from psycopg.types.range import Range, RangeDumper

        kind: Any = ServerCursor if args or options else Cursor
        cursor = kind(self._raw, *args, **options)
        set_json_loads(json.loads, cursor)
        cursor.adapters.register_loader("inet", InetLoader)
        cursor.adapters.register_loader("cidr", CidrLoader)
        cursor.adapters.register_dumper(Range, RangeDumper)
        return cursor


def share(vendor: str, raw: Any) -> Connection:
    """A SQLAlchemy connection on the DBAPI connection `raw` of a Django database `vendor`."""
    _shared.borrowed = (
        BorrowedPostgresConnection(raw) if vendor == "postgresql" else BorrowedConnection(raw)
    )
    try:
        return _engine(vendor).connect()
    finally:
        _shared.borrowed = None


def dialect_of(vendor: str) -> Dialect:
    """SQLAlchemy's dialect for a Django database `vendor`, as every shared connection has it."""
    return _engine(vendor).dialect


@lru_cache
def _engine(vendor: str) -> Engine:
    url, options = _ENGINE_OPTIONS[vendor]
    # An error is logged, and its parameters may be secrets.
    options = {**options, "hide_parameters": True}
    engine = create_engine(url, creator=_take_borrowed, poolclass=NullPool, **options)
    keep_zones(engine.dialect)
    # What the first connection would find out; fields ask the dialect before there is one.
    engine.dialect._has_native_hstore = False  # type: ignore[attr-defined]  # noqa: SLF001  # PostgreSQL's, pinned by a test
    insert_by_arrays(engine.dialect)
    listen_to_many(engine)
    return engine


def _take_borrowed() -> Any:
    assert _shared.borrowed is not None, "the engine is used only through share()"
    return _shared.borrowed
