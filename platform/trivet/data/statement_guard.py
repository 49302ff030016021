"""Every statement of a session, looked at before it is sent.

What the capture would not see is refused here, whatever way it takes to the connection: raw
writes of fed and audited tables, writes in a unit that reads, a second statement in a unit of
one, and queries in a feed. The session itself stands in `trivet.data.session`.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Engine, event
from sqlalchemy.orm import SessionTransaction

from trivet.audit.audited_tables import audited_tables
from trivet.capture.sql import read_statement
from trivet.capture.tables import CapturedTables

if TYPE_CHECKING:
    from trivet.data.session import TrivetSession


class ReadOnlyError(RuntimeError):
    """A write in a unit that was opened for reading."""


class SecondQueryError(RuntimeError):
    """A second statement in a unit that was opened for one."""


class FeedError(RuntimeError):
    """A feed that does what a feed may not."""


def uncaptured(what: str) -> RuntimeError:
    return RuntimeError(
        f"{what} writes past the capture of events; add, change or delete the objects instead"
    )


READ_ONLY = "trivet_read_only"
"""The execution option of an engine whose transactions only read."""
SINGLE_QUERY = "trivet_single_query"
"""The execution option of an engine whose sessions ask one thing, outside of a transaction."""
_SESSION = "trivet_session"
"""The execution option of a connection: the session that it works for."""
_WATCHED = "trivet_watched"
"""The execution option of an engine that `watch` knows."""


def watch(engine: Engine) -> None:
    """Have every statement of a TrivetSession on `engine` looked at before it is sent.

    Sessions on other engines are watched too; listening to each connection only costs more.
    """
    event.listen(engine, "before_cursor_execute", _judge)
    engine.update_execution_options(**{_WATCHED: True})


def claim(
    session: "TrivetSession", _transaction: SessionTransaction, connection: Connection
) -> None:
    """Have the statements of `connection` judged as those of `session`, which has begun on it."""
    options = connection.get_execution_options()
    if options.get(READ_ONLY):
        session.reading = connection  # whose engine says all that there is to know of the session
        return
    if options.get(_SESSION) is session:
        return
    if not options.get(_WATCHED):
        event.listen(connection, "before_cursor_execute", _judge)
    connection.execution_options(**{_SESSION: session, _WATCHED: True})


def _judge(
    connection: Connection,
    _cursor: Any,
    statement: str,
    _parameters: Any,
    context: Any,
    _many: bool,
) -> None:
    """Refuse what the capture would not see. The flush's own statements are known by the
    mapper's cache that they are compiled with."""
    options = connection.get_execution_options()
    if options.get(READ_ONLY):
        _judge_read(connection, statement, single=options.get(SINGLE_QUERY, False))
        return
    session = options.get(_SESSION)
    if session is None:
        return
    if session.telling is not None:
        raise FeedError(
            f"{session.telling} asked the database something ({_shorten(statement)}), and a feed "
            "is a plain read of the instance: load what it needs before the flush"
        )
    if not read_statement(statement).writes:
        return
    if session.read_only:
        raise only_reading()
    if _is_of_flush(session, context):
        return
    for tables, reason in _captured(session):
        if (table := tables.find_unseen(statement)) is not None:
            raise uncaptured(f"a statement on {table}, {reason} ({_shorten(statement)}),")


def _captured(session: "TrivetSession") -> Iterator[tuple[CapturedTables, str]]:
    """The tables whose changes `session` has to see, and why."""
    if session.feeds:
        yield session.feeds.tables, "whose rows feed channels"
    if session.audit is not None:
        yield audited_tables(), "which is audited"


_ASKED = "trivet_asked"


def expect_one(connection: Connection) -> None:
    """Count the statements of `connection` from here on. For engines with SINGLE_QUERY."""
    connection.info[_ASKED] = 0


def _judge_read(connection: Connection, statement: str, *, single: bool) -> None:
    read = read_statement(statement)
    if read.writes or (single and not read.is_query):
        raise only_reading()
    if not single:
        return
    connection.info[_ASKED] += 1
    if connection.info[_ASKED] > 1:
        raise SecondQueryError(
            "this endpoint asks for a SingleQuery, and its service has asked the database a second "
            f"time ({_shorten(statement)}); ask for a Unit, or load all with one statement"
        )


def only_reading() -> ReadOnlyError:
    return ReadOnlyError("this unit of work is read-only; a statement in it may only read")


def _is_of_flush(session: "TrivetSession", context: Any) -> bool:
    if not session._flushing:  # noqa: SLF001  # set by SQLAlchemy; pinned by a test
        return False
    if context.execution_options.get("compiled_cache") is not None:
        return True
    # The flush writes the rows of association tables without the cache.
    statement = getattr(context.compiled, "statement", None)
    name = getattr(getattr(statement, "table", None), "name", None)
    return any(name in tables.associations for tables, _ in _captured(session))


def _shorten(statement: str) -> str:
    return " ".join(statement.split())[:120]
