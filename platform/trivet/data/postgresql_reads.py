"""Prepared reads, sent to PostgreSQL by libpq's own steps.

A connection of the pool is taken, in the mode of a single query (docs/decisions/0025), and given
back before the rows are used. Its statements keep their names as long as it lives, and so does what
psycopg has found out about their parameters and columns. What fails for a reason that another
connection, or another plan, would not have is left to the way of all other statements, which has an
answer for each of them: `ask` returns None.

Neither a greenlet nor psycopg's machinery of generators is needed for one question and one answer.
Both together compute more than everything else here (docs/decisions/0155).
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from itertools import count
from typing import Any

from psycopg import DatabaseError, generators
from psycopg.adapt import PyFormat, Transformer
from psycopg.errors import (
    FeatureNotSupported,
    InvalidSqlStatementName,
    OperationalError,
    QueryCanceled,
    error_from_result,
)
from psycopg.pq import ExecStatus
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.pool import ConnectionPoolEntry, PoolProxiedConnection
from sqlalchemy.util import greenlet_spawn

from trivet.data.compiled_read import CompiledRead, Rows, WireQuery
from trivet.data.exchange import is_idle, synchronized
from trivet.data.pool import ObservedPool
from trivet.data.postgresql import enter_single_query, is_ready

Found = tuple[list[tuple[Any, ...]], Sequence[int]]
"""Rows, and the types of their columns."""
Opening = Callable[[Any], Sequence[bytes]]
"""Says to a connection of the driver what has to be sent before a read."""
_PREPARED = "trivet_prepared"
MOST_STATEMENTS = 200
"""Of one connection. Each keeps a plan in the server's process; later ones are not prepared."""
_numbers = count()
_ELSEWHERE = (OperationalError, InvalidSqlStatementName, FeatureNotSupported)
"""A connection broke; psycopg forgot its names at a ROLLBACK; a table changed beneath a plan."""
_CANCEL_SECONDS = 5.0
"""How long a query that nobody waits for any more may take to be told so."""


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
    try:
        if not await enter_single_query(driver, info):
            return None
        known: dict[bytes, _Statement] = info.setdefault(_PREPARED, {})
        statement = known.get(query.text) or await _prepare(driver, known, query.text)
        given = query.parameters(values)
        if find_opening is not None:
            return await _exchange_behind(driver, find_opening(driver), statement, given)
        return await _exchange(driver, statement, given)
    except DatabaseError as error:
        if isinstance(error, _ELSEWHERE) and not isinstance(error, QueryCanceled):
            info.pop(_PREPARED, None)
            return None
        text = query.text.decode()
        raise DBAPIError.instance(text, None, error, DatabaseError, hide_parameters=True) from error


class _Statement:
    """A statement as one connection knows it.

    Attributes:
        text: Its text, if it has no name.
        name: Its name; None if it is not prepared.
        transformer: What psycopg has found out about its parameters and columns.
        oids: The types of its columns; None before the first answer.
    """

    __slots__ = ("name", "oids", "text", "transformer")

    def __init__(self, driver: Any, text: bytes, name: bytes | None) -> None:
        self.text = text
        self.name = name
        self.transformer: Any = Transformer(driver)
        self.oids: Sequence[int] | None = None

    def send(self, wire: Any, values: Sequence[Any]) -> None:
        given = self.transformer.dump_sequence(values, [PyFormat.TEXT] * len(values))
        if self.name is None:
            wire.send_query_params(self.text, given)
        else:
            wire.send_query_prepared(self.name, given)

    def read(self, result: Any) -> Found:
        transformer, oids = self.transformer, self.oids
        # A plan whose columns would be others is refused by the server.
        transformer.set_pgresult(result, set_loaders=oids is None)
        if oids is None:
            oids = self.oids = [result.ftype(place) for place in range(result.nfields)]
        rows = transformer.load_rows(0, result.ntuples, tuple)
        transformer.set_pgresult(None, set_loaders=False)  # or the rows would stay in memory
        return rows, oids


async def _prepare(driver: Any, known: dict[bytes, _Statement], text: bytes) -> _Statement:
    if len(known) >= MOST_STATEMENTS:
        return _Statement(driver, text, None)
    name = b"trivet_%d" % next(_numbers)  # one that was given up may still be there
    driver.pgconn.send_prepare(name, text)
    (result,) = await driver.wait(generators.execute(driver.pgconn))
    _require(result, ExecStatus.COMMAND_OK, driver)
    statement = known[text] = _Statement(driver, text, name)
    return statement


async def _exchange(driver: Any, statement: _Statement, values: Sequence[Any]) -> Found:
    wire = driver.pgconn
    statement.send(wire, values)
    if wire.flush():  # long values, which the server has to read first
        (result,) = await driver.wait(generators.execute(wire))
    else:
        try:
            result = await _receive(driver)
        except asyncio.CancelledError:
            await _give_up(driver)
            raise
    _require(result, ExecStatus.TUPLES_OK, driver)
    return statement.read(result)


async def _exchange_behind(
    driver: Any, opening: Sequence[bytes], statement: _Statement, values: Sequence[Any]
) -> Found:
    """Send `opening` and the statement together: outside of a transaction they have one of their
    own, which ends with the last."""
    wire = driver.pgconn
    wire.enter_pipeline_mode()
    for each in opening:
        wire.send_query_params(each, None)
    statement.send(wire, values)
    results = await driver.wait(synchronized(wire))
    for each in results:
        _require(each, ExecStatus.TUPLES_OK, driver)
    return statement.read(results[-1])


async def _receive(driver: Any) -> Any:
    """The only result of what was sent."""
    wire, result = driver.pgconn, None
    while True:
        while wire.is_busy():
            await driver.readable()
            try:
                wire.consume_input()
            except OperationalError:
                driver.forget_socket()
                raise
        found = wire.get_result()
        if found is None:
            return result
        result = found


async def _give_up(driver: Any) -> None:
    """End a query whose answer nobody waits for, and its connection, on which it may still come."""
    try:
        await driver.cancel_safe(timeout=_CANCEL_SECONDS)
    finally:
        await driver.close()


def _require(result: Any, status: ExecStatus, driver: Any) -> None:
    if result.status != status:
        raise error_from_result(result, encoding=driver.info.encoding)
