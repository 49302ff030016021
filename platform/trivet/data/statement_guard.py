"""The check of every statement of a session, before it is sent.

Statements are refused here whatever way they take to the connection: raw writes to fed and audited
tables, writes in a unit that only reads, a second statement in a `SingleQuery`, queries in a feed,
and the end of the transaction by a service.
"""

from typing import Any

from sqlalchemy import Connection
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.orm import SessionTransaction

from trivet.capture.sql import read_statement
from trivet.data.outages import mark_own
from trivet.data.session import ReadOnlyError, TrivetSession, uncaptured


class SecondQueryError(RuntimeError):
    """A second statement in a unit that was opened for one."""


class FeedError(RuntimeError):
    """A feed that queries the database."""


READ_ONLY = "trivet_read_only"
"""The execution option of an engine whose transactions only read."""
SINGLE_QUERY = "trivet_single_query"
"""The execution option of an engine whose sessions send one query, without a transaction."""
IN_TRANSACTION = "trivet_in_transaction"
"""The execution option of an engine whose single query has a transaction around it, with which
something goes that the query needs."""
_SESSION = "trivet_session"
"""The execution option of a connection: the session that uses it."""


def bind_session(
    session: TrivetSession, _transaction: SessionTransaction, connection: Connection
) -> None:
    """Check the statements of `connection` for `session`, which has begun on it."""
    options = connection.get_execution_options()
    # A single query has no transaction to end, and its engine has its own check.
    if not options.get(SINGLE_QUERY) and options.get(_SESSION) is not session:
        connection.execution_options(**{_SESSION: session})


def judge_statement(
    connection: Connection,
    _cursor: Any,
    statement: str,
    _parameters: Any,
    context: Any,
    _many: bool,
) -> None:
    """Refuse statements that the capture would not see. The flush's own statements are recognised
    by the mapper's cache with which they are compiled."""
    options = connection.get_execution_options()
    session = options.get(_SESSION)
    if options.get(READ_ONLY):
        _judge_read(connection, statement, session, single=options.get(SINGLE_QUERY, False))
        return
    if session is None:
        return
    if session.recorder.running_feed is not None:
        raise FeedError(
            f"{session.recorder.running_feed} asked the database something "
            f"({_shorten(statement)}), and a feed is a plain read of the instance: load what it "
            "needs before the flush"
        )
    read = read_statement(statement)
    if read.ends_transaction:
        session.require_unsealed("end the transaction")
    if not read.writes:
        return
    if session.read_only:
        raise only_reading()
    if _is_of_flush(session, context):
        return
    for tables, reason in session.capture.guarded_tables():
        if (table := tables.find_unseen(statement)) is not None:
            raise uncaptured(f"a statement on {table}, {reason} ({_shorten(statement)}),")


def mark_refusal(context: ExceptionContext) -> None:
    """Note that the database has refused a write in a unit that only reads. The statement did not
    show it (a function that writes, a lock), and the database can be written to all the same."""
    if context.connection is None:
        return
    options = context.connection.get_execution_options()
    session = options.get(_SESSION)
    if options.get(READ_ONLY) or (session is not None and session.read_only):
        mark_own(context.original_exception)


def refuse_sealed_commit(connection: Connection) -> None:
    """Refuse a service that commits by the connection under its session."""
    try:
        refuse_sealed_rollback(connection)
    except RuntimeError:
        # SQLAlchemy takes the transaction as ended now, and would give the connection to the
        # pool with it still open.
        connection.connection.rollback()
        raise


def refuse_sealed_rollback(connection: Connection) -> None:
    """Refuse a service that rolls back by the connection under its session."""
    session = connection.get_execution_options().get(_SESSION)
    # A flush that fails rolls back by itself; SQLAlchemy sets the flag, pinned by a test.
    if session is not None and not session._flushing:  # noqa: SLF001  # as just said
        session.require_unsealed("end the transaction")


_ASKED = "trivet_asked"


def expect_one(connection: Connection) -> None:
    """Count the statements of `connection` from now on. For engines with SINGLE_QUERY."""
    connection.info[_ASKED] = 0


def _judge_read(
    connection: Connection, statement: str, session: TrivetSession | None, *, single: bool
) -> None:
    read = read_statement(statement)
    if read.writes or (single and not read.is_query):
        raise only_reading()
    if read.ends_transaction and session is not None:
        session.require_unsealed("end the transaction")
    if not single:
        return
    connection.info[_ASKED] += 1
    if connection.info[_ASKED] > 1:
        raise SecondQueryError(
            "this endpoint asks for a SingleQuery, and its service has asked the database a second "
            f"time ({_shorten(statement)}); ask for a Unit, or load all with one statement"
        )


def only_reading() -> ReadOnlyError:
    """The error for a statement that writes in a unit that only reads."""
    return ReadOnlyError("this unit of work is read-only; a statement in it may only read")


def _is_of_flush(session: TrivetSession, context: Any) -> bool:
    if not session._flushing:  # noqa: SLF001  # set by SQLAlchemy; pinned by a test
        return False
    if context.execution_options.get("compiled_cache") is not None:
        return True
    # The flush writes the rows of association tables without the cache.
    statement = getattr(context.compiled, "statement", None)
    name = getattr(getattr(statement, "table", None), "name", None)
    return any(name in tables.associations for tables, _ in session.capture.guarded_tables())


def _shorten(statement: str) -> str:
    return " ".join(statement.split())[:120]
