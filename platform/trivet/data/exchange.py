"""Prepared statements within a transaction, sent by psycopg's own generators.

One exchange of a prepared statement computes a third of what a cursor computes. Several that need
nothing of each other travel together (libpq's pipeline mode): the server stops at the first that
fails, so a COMMIT behind a statement that failed commits nothing.

The names of the statements are psycopg's: what it forgets at a ROLLBACK, and what it gives up
because there are too many, it would otherwise forget without a word to us.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

from psycopg import generators
from psycopg._preparing import Prepare
from psycopg.adapt import PyFormat, Transformer
from psycopg.errors import error_from_result
from psycopg.pq import ExecStatus, TransactionStatus

COMMIT = b"COMMIT"
_IDLE = TransactionStatus.IDLE
_GOOD = (ExecStatus.COMMAND_OK, ExecStatus.TUPLES_OK)


class _Query(NamedTuple):
    """A statement as psycopg knows it: by its text, and the types of its parameters."""

    query: bytes
    types: tuple[int, ...]


class Exchange:
    """The exchanges of one connection.

    Attributes:
        last: The statement that goes with the next COMMIT, with its values.
    """

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._wire: Any = connection.pgconn
        self._prepared: Any = connection._prepared  # noqa: SLF001  # psycopg's, whose names are used
        self._adapters = Transformer(connection)
        self.last: tuple[bytes, Sequence[Any]] | None = None

    def rows(self, text: bytes, values: Sequence[Any], *, beginning: Sequence[bytes] = ()) -> Any:
        """Send the statement `text`, behind the commands that begin its transaction.

        Returns:
            Its rows, and the types of their columns.
        """
        result = yield from self._send(beginning, text, values)
        if not result.nfields:
            return [], []
        self._adapters.set_pgresult(result)
        oids = [result.ftype(place) for place in range(result.nfields)]
        return self._adapters.load_rows(0, result.ntuples, tuple), oids

    def send_last(self) -> Any:
        """Send the last statement now, because something comes after it."""
        last, self.last = self.last, None
        if last is not None:
            yield from self._send((), *last)

    def commit(self) -> Any:
        """Send the last statement and COMMIT in one round trip."""
        last, self.last = self.last, None
        assert last is not None
        return (yield from self._send((), *last, COMMIT))

    def _send(
        self,
        before: Sequence[bytes],
        text: bytes,
        values: Sequence[Any],
        after: bytes | None = None,
    ) -> Any:
        """The result of `after`, or, without it, of the statement."""
        wire, adapters = self._wire, self._adapters
        given = adapters.dump_sequence(values, [PyFormat.AUTO] * len(values))
        statement, formats = _Query(text, adapters.types or ()), adapters.formats
        how, name = self._prepared.get(statement, prepare=True)
        is_alone = not before and after is None and how is not Prepare.SHOULD
        if not is_alone:
            wire.enter_pipeline_mode()
            for command in before:
                wire.send_query_params(command, None)
        if how is Prepare.SHOULD:
            wire.send_prepare(name, text, param_types=statement.types)
        if how is Prepare.NO:
            wire.send_query_params(text, given, param_types=statement.types, param_formats=formats)
        else:
            wire.send_query_prepared(name, given, param_formats=formats)
        if is_alone:
            results = yield from generators.execute(wire)
        else:
            if after is not None:
                wire.send_query_params(after, None)
            results = yield from synchronized(wire)
        answers = results if after is None else results[:-1]
        yield from self._note(statement, how, name, answers[-1])
        for each in results:
            if each.status not in _GOOD:
                raise error_from_result(each, encoding=self._connection.info.encoding)
        return results[-1]

    def _note(self, statement: _Query, how: Any, name: bytes, result: Any) -> Any:
        """Let psycopg know of the statement, as one of its cursors would."""
        key = self._prepared.maybe_add_to_cache(statement, how, name)
        if key is not None:
            self._prepared.validate(key, how, name, [result])
        yield from self._prepared.maintain_gen(self._connection)


def is_idle(driver: Any) -> bool:
    """Whether a connection can be asked again: it is whole, and every answer was read."""
    return bool(driver.pgconn.transaction_status == _IDLE)


def synchronized(wire: Any) -> Any:
    """The result of each command of the pipeline of a connection, which is left."""
    wire.pipeline_sync()
    return (yield from answered(wire))


def answered(wire: Any) -> Any:
    """The same where the end of the pipeline was sent, as far as the socket took it."""
    yield from generators.send(wire)
    results: list[Any] = []
    while not results or results[-1].status != ExecStatus.PIPELINE_SYNC:
        results += yield from generators.fetch_many(wire)
    wire.exit_pipeline_mode()
    return results[:-1]
