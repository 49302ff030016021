"""Prepared reads (`trivet.data.prepared`) on PostgreSQL, without a session.

A connection of the pool is taken, in the mode of a single query (docs/decisions/0025), and given
back before the rows are used. What fails for a reason that another connection, or another plan,
would not have is left to the way of all other statements, which has an answer for each of them:
`ask` returns None.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from psycopg import DatabaseError
from psycopg.adapt import PyFormat
from psycopg.errors import (
    FeatureNotSupported,
    InvalidSqlStatementName,
    OperationalError,
    QueryCanceled,
)
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.pool import ConnectionPoolEntry, PoolProxiedConnection
from sqlalchemy.util import greenlet_spawn

from trivet.data.compiled_read import CompiledRead, Rows, WireQuery
from trivet.data.exchange import is_idle
from trivet.data.pool import ObservedPool
from trivet.data.postgresql import enter_single_query, is_ready
from trivet.data.prepared import Found, Prepared

Opening = Callable[[Any], Sequence[bytes]]
"""Says to a connection of the driver what has to be sent before a read."""
_ELSEWHERE = (OperationalError, InvalidSqlStatementName, FeatureNotSupported)
"""A connection broke; psycopg forgot its names at a ROLLBACK; a table changed beneath a plan."""


async def ask(
    engine: AsyncEngine,
    read: CompiledRead,
    values: Mapping[str, Any],
    find_opening: Opening | None = None,
) -> Rows | None:
    """The rows of `read`; None if they have to be asked for as any other statement.

    What `find_opening` says to the connection of the driver is sent before, in the same round trip
    and the same transaction.

    Raises sqlalchemy.exc.DBAPIError as SQLAlchemy would.
    """
    query = read.on_wire(engine.dialect)
    if query is None:
        return None
    pool = engine.sync_engine.pool
    assert isinstance(pool, ObservedPool), "that of `trivet.data.engine`"
    entry = await pool.take(is_ready)
    found = (
        await _ask_fresh(pool, query, values, find_opening)
        if entry is None
        else await _ask_ready(pool, entry, query, values, find_opening)
    )
    return None if found is None else query.read(*found)


async def _ask_ready(
    pool: ObservedPool,
    entry: ConnectionPoolEntry,
    query: WireQuery,
    values: Mapping[str, Any],
    find_opening: Opening | None,
) -> Found | None:
    driver: Any = entry.driver_connection
    try:
        return await _ask(driver, entry.info, query, values, find_opening)
    finally:
        if not is_idle(driver):
            await greenlet_spawn(entry.invalidate)
        pool.give_back(entry)


async def _ask_fresh(
    pool: ObservedPool,
    query: WireQuery,
    values: Mapping[str, Any],
    find_opening: Opening | None,
) -> Found | None:
    """Ask on a connection that has to be made, or tested, first."""
    try:
        lent: PoolProxiedConnection = await greenlet_spawn(pool.connect)
    except OperationalError:
        return None
    try:
        return await _ask(lent.driver_connection, lent.info, query, values, find_opening)
    finally:
        await greenlet_spawn(lent.close if is_idle(lent.driver_connection) else lent.invalidate)


async def _ask(
    driver: Any,
    info: dict[str, Any],
    query: WireQuery,
    values: Mapping[str, Any],
    find_opening: Opening | None,
) -> Found | None:
    prepared = Prepared(driver, info)
    try:
        if not await enter_single_query(driver, info):
            return None
        given = query.parameters(values)
        opening = () if find_opening is None else find_opening(driver)
        return await prepared.ask(query.text, given, PyFormat.TEXT, before=opening)
    except DatabaseError as error:
        if isinstance(error, _ELSEWHERE) and not isinstance(error, QueryCanceled):
            prepared.forget()
            return None
        text = query.text.decode()
        raise DBAPIError.instance(text, None, error, DatabaseError, hide_parameters=True) from error
