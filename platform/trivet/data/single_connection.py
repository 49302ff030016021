"""The connections of commands: one each, without a pool, and a look at who answers."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from sqlalchemy import URL, Connection, create_engine, text

from trivet.data.engine import async_url
from trivet.data.replicas.server import LOOK, ServerState
from trivet.data.statement_limit import SERVER_PROCESS, is_pooler
from trivet.rules.row_security import OPEN_EVERYTHING


@contextmanager
def connect(url: str) -> Iterator[Connection]:
    """A connection of a command. It is closed at the end of the block, with its engine."""
    parsed = async_url(url)
    driver = parsed.drivername.replace("+aiosqlite", "")
    options: dict[str, Any] = {}
    if driver != "sqlite":
        options["creator"] = partial(_connect, parsed.set(drivername=driver))
    engine = create_engine(parsed.set(drivername=driver), **options)
    try:
        with engine.connect() as connection:
            if driver != "sqlite":
                connection.exec_driver_sql("SET TIME ZONE 'UTC'")
                connection.commit()
            yield connection
    finally:
        engine.dispose()


def _connect(address: URL) -> Any:
    """A connection of psycopg, for work of the product itself: a revision may change rows of any
    tenant. That is said in each transaction, because a pooler may lend the session to somebody else
    afterwards; so nothing is prepared either."""
    from trivet.data.postgresql_connection import LimitedConnection  # SQLite does without psycopg

    arguments, options = address.get_dialect()().create_connect_args(address)
    connection = LimitedConnection.connect(*arguments, **options, prepare_threshold=None)
    connection.find_opening = lambda: (OPEN_EVERYTHING.encode(),)
    return connection


@dataclass(frozen=True, slots=True)
class Server:
    """A PostgreSQL server behind an address, and whether a pooler stands before it."""

    database: tuple[Any, ...]
    """The name of the database, and the time at which its server started."""
    is_pooled: bool


def identify(url: str) -> Server:
    """Ask the server at `url` who it is. Raises the driver's error if it does not answer."""
    with connect(url) as connection:
        process = connection.scalar(text(SERVER_PROCESS))
        name = connection.execute(text("SELECT current_database(), pg_postmaster_start_time()"))
        driver = connection.connection.driver_connection
        return Server(tuple(name.one()), is_pooler(process or 0, driver))


def look(url: str) -> ServerState:
    """What the server at `url` says of its log. Raises the driver's error if it does not answer."""
    with connect(url) as connection:
        return ServerState.read(connection.exec_driver_sql(LOOK).one())
