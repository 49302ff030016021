"""Prepared reads, sent to PostgreSQL by psycopg's own protocol of generators.

A connection of the pool is taken, in the mode of a single query (docs/decisions/0025), and given
back before the rows are used. Its statements keep their names as long as it lives. What fails for
a reason that another connection, or another plan, would not have is left to the way of all other
statements, which has an answer for each of them: `ask` returns None.
"""

from collections.abc import Mapping, Sequence
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
from sqlalchemy.pool import PoolProxiedConnection
from sqlalchemy.util import greenlet_spawn

from trivet.data.compiled_read import CompiledRead, Rows, WireQuery
from trivet.data.postgresql import enter_single_query

Found = tuple[list[tuple[Any, ...]], list[int]]
"""Rows, and the types of their columns."""
_PREPARED = "trivet_prepared"
MOST_STATEMENTS = 200
"""Of one connection. Each keeps a plan in the server's process; later ones are not prepared."""
_numbers = count()
_ELSEWHERE = (OperationalError, InvalidSqlStatementName, FeatureNotSupported)
"""A connection broke; psycopg forgot its names at a ROLLBACK; a table changed beneath a plan."""


async def ask(engine: AsyncEngine, read: CompiledRead, values: Mapping[str, Any]) -> Rows | None:
    """The rows of `read`; None if they have to be asked for as any other statement.

    Raises sqlalchemy.exc.DBAPIError as SQLAlchemy would.
    """
    query = read.on_wire(engine.dialect)
    if query is None:
        return None
    try:
        lent, may_ask = await greenlet_spawn(_take, engine)
    except OperationalError:
        return None
    try:
        if not may_ask:
            return None
        found = await _ask(lent, query, values)
    finally:
        await greenlet_spawn(lent.close)
    return None if found is None else query.read(*found)


def _take(engine: AsyncEngine) -> tuple[PoolProxiedConnection, bool]:
    """A connection of the pool, and whether it is in the mode of a single query."""
    lent = engine.sync_engine.pool.connect()
    try:
        return lent, enter_single_query(engine.dialect, lent)
    except BaseException:
        lent.close()
        raise


async def _ask(
    lent: PoolProxiedConnection, query: WireQuery, values: Mapping[str, Any]
) -> Found | None:
    driver: Any = lent.driver_connection
    exchange = _exchange(driver, lent.info, query.text, query.parameters(values))
    try:
        async with driver.lock:
            found: Found = await driver.wait(exchange)
    except DatabaseError as error:
        if driver.closed:
            lent.invalidate(error)
        if isinstance(error, _ELSEWHERE) and not isinstance(error, QueryCanceled):
            lent.info.pop(_PREPARED, None)
            return None
        text = query.text.decode()
        raise DBAPIError.instance(text, None, error, DatabaseError, hide_parameters=True) from error
    return found


def _exchange(driver: Any, info: Any, text: bytes, values: Sequence[Any]) -> Any:
    """Prepare the statement if it is new here, and ask."""
    wire = driver.pgconn
    names: dict[bytes, bytes] = info.setdefault(_PREPARED, {})
    transformer = Transformer(driver)
    given = transformer.dump_sequence(values, [PyFormat.TEXT] * len(values))
    name = names.get(text)
    if name is None and len(names) < MOST_STATEMENTS:
        name = b"trivet_%d" % next(_numbers)  # one that was given up may still be there
        wire.send_prepare(name, text)
        _require((yield from generators.execute(wire))[0], ExecStatus.COMMAND_OK, driver)
        names[text] = name
    if name is None:
        wire.send_query_params(text, given)
    else:
        wire.send_query_prepared(name, given)
    (result,) = yield from generators.execute(wire)
    _require(result, ExecStatus.TUPLES_OK, driver)
    transformer.set_pgresult(result)
    oids = [result.ftype(place) for place in range(result.nfields)]
    return transformer.load_rows(0, result.ntuples, tuple), oids


def _require(result: Any, status: ExecStatus, driver: Any) -> None:
    if result.status != status:
        raise error_from_result(result, encoding=driver.info.encoding)
