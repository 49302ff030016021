"""A new row that is all of a unit of work, on PostgreSQL: written and committed without a session.

Most writes of an API are one new row. A session, its transaction, its flush and the pool around its
connection compute more than all the rest of such a request. Here the object that a session would
get is inserted by the statement that a flush would send (`trivet.data.single_inserts`), its feeds
run, and its entry of the trail, its publications and the COMMIT follow, in an exchange less than
from a session (docs/decisions/0190): the results are the same.

It is for classes of which a flush would do no more than that: of one table, without rules about
changes, and without listeners but ours. Whatever is otherwise, fails or is refused is done again
from the start by a session, of which nobody notices more than the time: `insert_alone` returns
None, and nothing has happened.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import cache, partial
from typing import Any, NamedTuple, NoReturn, TypeVar
from weakref import WeakSet

import anyio
from psycopg import DatabaseError
from psycopg.adapt import PyFormat
from psycopg.errors import FeatureNotSupported, InvalidSqlStatementName
from psycopg.pq import TransactionStatus
from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.orm import InstanceState, Mapper
from sqlalchemy.orm.attributes import instance_state
from sqlalchemy.pool import ConnectionPoolEntry
from sqlalchemy.util import greenlet_spawn

from trivet.audit.audited_tables import why_not_audited
from trivet.audit.capture import entries_of
from trivet.audit.trail import FIND_EARLY_HEAD
from trivet.capture.recorder import Recorder
from trivet.data.bounds import bounds_of, fit
from trivet.data.capture import Capture
from trivet.data.exchange import COMMIT, is_idle
from trivet.data.flush import run_feeds
from trivet.data.pool import ObservedPool
from trivet.data.postgresql import enter_writing, is_ready
from trivet.data.prepared import Found, Prepared
from trivet.data.replicas.client import current_client
from trivet.data.single_inserts import find_single, new_record
from trivet.data.strangers import hear_any, hear_sessions, is_one_table
from trivet.events.feeds import CapturedChange
from trivet.fixed_statements import FixedStatement, NeedsSessionError, Steps, is_heard
from trivet.models.views import find_reading
from trivet.origin import Origin

T = TypeVar("T")


class Inserted(NamedTuple):
    """What became of a row.

    Attributes:
        answer: What was made of it.
        published: The channels that were published to, with their newest offsets.
    """

    answer: Any
    published: Mapping[str, int]


async def insert_alone(
    engine: AsyncEngine,
    capture: Capture,
    instance: object,
    origin: Origin,
    answer: Callable[[], Any],
) -> Inserted | None:
    """Insert a row and commit; None if a session has to do it, with another object.

    Args:
        engine: That of transactions that write.
        capture: What becomes of the change.
        instance: An object that no session has, with the values that the row is to have.
        origin: Who makes it.
        answer: Called before the COMMIT, when `instance` has what the database gave the row.

    Raises:
        DBAPIError: The connection was lost during the COMMIT, and nobody knows what it has done.
    """
    sync = engine.sync_engine
    state = instance_state(instance)
    mapper = state.mapper
    if is_heard(sync) or mapper in _refused or not _is_plain(mapper, capture):
        return None
    assert isinstance(sync.pool, ObservedPool), "that of `trivet.data.engine`"
    entry = await sync.pool.take(is_ready)
    if entry is None:
        return None
    transaction = _Transaction(entry)
    try:
        await enter_writing(sync.dialect, entry)
        new = _NewRow(instance, state, origin, answer)
        return await _insert(transaction, capture, new, sync)
    except NeedsSessionError:
        return None
    finally:
        await _give_back(sync.pool, entry)


class _NewRow(NamedTuple):
    instance: object
    state: InstanceState[Any]
    origin: Origin
    answer: Callable[[], Any]


async def _insert(
    transaction: "_Transaction", capture: Capture, new: _NewRow, engine: Engine
) -> Inserted:
    """All of it, as a flush and the end of a session do it."""
    state = new.state
    mapper, mapped = state.mapper, state.class_
    dialect, recorder = engine.dialect, Recorder()
    bounds = bounds_of(mapper, dialect)
    fit(recorder, state, bounds, list(state.dict))
    notes = capture.notes(mapper)
    head = await _insert_row(transaction, state, engine, FIND_EARLY_HEAD if notes else None)
    fit(recorder, state, bounds, bounds.made_at_insert)
    if state.expired_attributes or recorder.expected(state):
        _refuse(mapper)
    change = CapturedChange(
        "insert", new.instance, {}, new.origin.actor, before={}, dialect=dialect
    )
    run_feeds(recorder, capture.feeds.feeds_of(mapped), change)
    if notes:
        recorder.note_each(entries_of(partial(_refuse, mapper), [(state, "insert")], recorder))
    answer = new.answer()
    steps = capture.writing(recorder.drain(), new.origin, head)
    return Inserted(answer, await transaction.commit(steps))


async def _insert_row(
    transaction: "_Transaction",
    state: InstanceState[Any],
    engine: Engine,
    behind: FixedStatement | None,
) -> Sequence[Any] | None:
    """Insert it, and return the row that is found `behind` it."""
    mapper, table = state.mapper, state.mapper.local_table
    record = new_record(state, engine)
    single = find_single(mapper.base_mapper, table, record)
    if single is None or record[5]:
        raise NeedsSessionError  # expressions of SQL
    parameters = single.complete(record[2])
    try:
        values = single.in_order(parameters)
    except Exception as error:
        raise NeedsSessionError from error
    found, *others = await transaction.begin_with(single.query, values, behind)
    single.settle(table, record, None, parameters, single.read(*found))
    return next((row for rows, _ in others for row in rows), None)


_KNOWN = frozenset({TransactionStatus.IDLE, TransactionStatus.INTRANS, TransactionStatus.INERROR})
"""The states of a connection of which it is known whether a COMMIT was done: it was not, and was
refused or never sent, if there is an error all the same."""


_AUTO = PyFormat.AUTO
_Query = tuple[bytes, Sequence[Any]]
"""A statement, with its parameters in their order."""


class _Transaction:
    """A transaction of a few prepared statements on a connection that is in none.

    What fails raises NeedsSessionError, and DBAPIError if nobody knows what a COMMIT has done.
    """

    __slots__ = ("_driver", "_prepared")

    def __init__(self, entry: ConnectionPoolEntry) -> None:
        self._driver: Any = entry.driver_connection
        self._prepared = Prepared(self._driver, entry.info)

    async def begin_with(
        self, query: bytes, values: Sequence[Any], behind: FixedStatement | None
    ) -> list[Found]:
        """Begin, with the first statement, and with one `behind` it that has no parameters."""
        asked: list[_Query] = [(query, values)]
        if behind is not None:
            asked.append((behind.query, ()))
        return await self._ask(asked, before=self._driver.beginning())

    async def commit(self, steps: Steps[T]) -> T:
        """Take `steps` and commit; in the round trip of the last, unless the client's position in
        the log is wanted, which comes with a COMMIT of its own."""
        goes_along, is_committed = current_client() is None, False
        rows: Any = None
        try:
            while True:
                statement, values, is_last, _ = steps.send(rows)
                is_committed = is_last and goes_along
                after = COMMIT if is_committed else None
                asked = (statement.query, statement.in_order(values))
                ((rows, _),) = await self._ask([asked], after=after)
        except StopIteration as end:
            result: T = end.value
            if not is_committed:
                await self._commit()
            return result

    async def _commit(self) -> None:
        try:
            await self._driver.commit()
        except DatabaseError as error:
            raise self._fault(error, is_commit=True) from error

    async def _ask(
        self, asked: list[_Query], *, before: Sequence[bytes] = (), after: bytes | None = None
    ) -> list[Found]:
        try:
            return await self._prepared.ask_all(asked, _AUTO, before=before, after=after)
        except Exception as error:
            raise self._fault(error, is_commit=after is not None) from error

    def _fault(self, error: Exception, *, is_commit: bool) -> Exception:
        if is_commit and self._driver.pgconn.transaction_status not in _KNOWN:
            return DBAPIError.instance(
                *("COMMIT", None, error, DatabaseError),
                hide_parameters=True,
                connection_invalidated=True,
            )
        if isinstance(error, InvalidSqlStatementName | FeatureNotSupported):
            self._prepared.forget()  # a ROLLBACK has ended its name, or a migration its plan
        return NeedsSessionError()


def _refuse(mapper: Mapper[Any]) -> NoReturn:
    """Leave rows of a class to sessions: the database works something out that has to be read."""
    _refused.add(mapper)
    raise NeedsSessionError


async def _give_back(pool: ObservedPool, entry: ConnectionPoolEntry) -> None:
    driver = entry.driver_connection
    if not is_idle(driver):
        with anyio.CancelScope(shield=True):
            with suppress(DatabaseError):
                await driver.rollback()  # type: ignore[union-attr]  # psycopg's
            if not is_idle(driver):
                await greenlet_spawn(entry.invalidate)
    pool.give_back(entry)


_refused: WeakSet[Mapper[Any]] = WeakSet()
"""Classes of which this was found out."""


def _is_plain(mapper: Mapper[Any], capture: Capture) -> bool:
    """Whether a flush would do no more for a new row of a class than is done here."""
    return (
        _is_plain_class(mapper)
        and not capture.rules.rules_of(mapper.class_)
        and not hear_any(mapper.dispatch, ("before_insert", "after_insert"))
        and not hear_any(mapper.class_manager.dispatch, ("refresh_flush",))
        and not hear_sessions()
        and (capture.audit is None or why_not_audited(mapper) is None)
    )


@cache  # classes stand in source code
def _is_plain_class(mapper: Mapper[Any]) -> bool:
    return (
        is_one_table(mapper)
        and not mapper._readonly_props  # noqa: SLF001  # columns of expressions; pinned by a test
        and find_reading(mapper) is None
    )
