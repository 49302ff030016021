"""Prepared statements of one connection, sent to PostgreSQL by libpq's own steps.

Neither a greenlet nor psycopg's machinery of generators is needed for a question and its answer.
Both together compute more than everything else about it (docs/decisions/0155).

The statements have names of our own, and keep them as long as the connection lives, and so does
what psycopg has found out about their parameters and columns. psycopg forgets all names at some
ROLLBACKs, so a statement may be gone: it fails with InvalidSqlStatementName then, and whoever sent
it calls `forget` and goes another way.
"""

import asyncio
from collections.abc import Iterable, Sequence
from itertools import count
from typing import Any, NamedTuple

from psycopg import generators
from psycopg.adapt import PyFormat, Transformer
from psycopg.errors import OperationalError, error_from_result
from psycopg.pq import ConnStatus, ExecStatus

from trivet.data.exchange import answered

Found = tuple[list[tuple[Any, ...]], Sequence[int]]
"""Rows, and the types of their columns."""
MOST_STATEMENTS = 200
"""Of one connection. Each keeps a plan in the server's process; later ones are not prepared."""
_KNOWN = "trivet_prepared"
_UNNAMED = b""
# By names of our own: a member of an enum is looked up by a call on Python 3.11.
_DONE, _SYNC = ExecStatus.COMMAND_OK, ExecStatus.PIPELINE_SYNC
_GOOD = (_DONE, ExecStatus.TUPLES_OK)
_TEXT = PyFormat.TEXT
_CANCEL_SECONDS = 5.0
"""How long a query that nobody waits for any more may take to be told so."""
_numbers = count()


class Statement:
    """A statement as one connection knows it.

    Attributes:
        text: Its text, with ``$1``, ``$2``, … for its parameters.
        names: Its name for each choice of types of its parameters.
        transformer: What psycopg has found out about its parameters and columns.
        oids: The types of its columns; None before the first answer.
    """

    __slots__ = ("names", "oids", "text", "transformer")

    def __init__(self, driver: Any, text: bytes) -> None:
        self.text = text
        self.names: dict[tuple[int, ...], bytes] = {}
        self.transformer: Any = Transformer(driver)
        self.oids: Sequence[int] | None = None

    def question(self, values: Sequence[Any], form: PyFormat) -> "_Question":
        """It with its parameters, as they are sent."""
        adapters = self.transformer
        given = adapters.dump_sequence(values, [form] * len(values))
        if form is _TEXT:
            return _Question(self, given, (), None)
        return _Question(self, given, adapters.types or (), adapters.formats)

    def read(self, result: Any) -> Found:
        """The rows of an answer."""
        if not result.nfields:
            return [], ()
        transformer, oids = self.transformer, self.oids
        # A plan whose columns would be others is refused by the server.
        transformer.set_pgresult(result, set_loaders=oids is None)
        if oids is None:
            oids = self.oids = [result.ftype(place) for place in range(result.nfields)]
        rows = transformer.load_rows(0, result.ntuples, tuple)
        transformer.set_pgresult(None, set_loaders=False)  # or the rows would stay in memory
        return rows, oids


class _Question(NamedTuple):
    """A statement with its parameters.

    Attributes:
        types: Those by which it is prepared.
        formats: Whether each parameter is text or binary; None: all are text.
    """

    statement: Statement
    values: Sequence[Any]
    types: tuple[int, ...]
    formats: Sequence[Any] | None


class Prepared:
    """The prepared statements of one connection.

    Args:
        driver: The connection of psycopg.
        info: What the pool remembers of it.
    """

    __slots__ = ("_driver", "_known", "_wire")

    def __init__(self, driver: Any, info: dict[str, Any]) -> None:
        self._driver = driver
        self._wire: Any = driver.pgconn
        self._known: dict[bytes, Statement] = info.setdefault(_KNOWN, {})

    async def ask(
        self, text: bytes, values: Sequence[Any], form: PyFormat, *, before: Sequence[bytes] = ()
    ) -> Found:
        """Send one statement; see `ask_all`."""
        if not before:
            statement = self._known.get(text) or self._new_statement(text)
            question = statement.question(values, form)
            name = statement.names.get(question.types)
            if name is not None:
                self._wire.send_query_prepared(
                    name, question.values, param_formats=question.formats
                )
                return statement.read(await self._only_answer())
        (found,) = await self.ask_all([(text, values)], form, before=before)
        return found

    async def ask_all(
        self,
        asked: Sequence[tuple[bytes, Sequence[Any]]],
        form: PyFormat,
        *,
        before: Sequence[bytes] = (),
        after: bytes | None = None,
    ) -> list[Found]:
        """Send statements that need nothing of each other, between commands that need nothing of
        them, in one round trip.

        Args:
            asked: The statements, with their parameters in their order.
            form: The form in which those are sent. As text they have the types that the server
                gives them; otherwise those that psycopg knows them by.
            before: Commands of the same round trip. Outside of a transaction all of it has one.
            after: The command that ends it.

        Returns:
            What each statement found.

        Raises:
            psycopg.DatabaseError: Any of it was refused, or the connection was lost.
        """
        known, wire = self._known, self._wire
        questions = [
            (known.get(text) or self._new_statement(text)).question(values, form)
            for text, values in asked
        ]
        wire.enter_pipeline_mode()
        for command in before:
            wire.send_query_params(command, None)
        place, places, new = len(before), [], []
        for statement, values, types, formats in questions:
            name = statement.names.get(types)
            if name is None:
                name = self._new_name(statement.text)
                wire.send_prepare(name, statement.text, param_types=types)
                new.append((place, statement, types, name))
                place += 1
            wire.send_query_prepared(name, values, param_formats=formats)
            places.append(place)
            place += 1
        if after is not None:
            wire.send_query_params(after, None)
        answers = await self._answers()
        for at, statement, types, name in new:
            if name and at < len(answers) and answers[at].status == _DONE:
                statement.names[types] = name  # it stays prepared, whatever became of the rest
        self._require(answers)
        return [
            each.statement.read(answers[at]) for each, at in zip(questions, places, strict=True)
        ]

    def _require(self, answers: Iterable[Any]) -> None:
        for each in answers:
            if each.status not in _GOOD:
                raise error_from_result(each, encoding=self._driver.info.encoding)

    def forget(self) -> None:
        """Prepare all statements anew, with other names."""
        self._known.clear()

    def _new_statement(self, text: bytes) -> Statement:
        statement = Statement(self._driver, text)
        if len(self._known) < MOST_STATEMENTS:
            self._known[text] = statement
        return statement

    def _new_name(self, text: bytes) -> bytes:
        if text not in self._known:
            return _UNNAMED
        return b"trivet_%d" % next(_numbers)  # one that was given up may still be there

    async def _only_answer(self) -> Any:
        """The answer to a statement that was sent alone."""
        wire = self._wire
        if wire.flush():  # long values, which the server has to read first
            (found,) = await self._driver.wait(generators.execute(wire))
        else:
            found = await self._receive_only()
        self._require([found])
        return found

    async def _receive_only(self) -> Any:
        wire, result = self._wire, None
        while True:
            if wire.is_busy():
                await self._more()
            found = wire.get_result()
            if found is None:
                return result
            result = found

    async def _answers(self) -> Sequence[Any]:
        """The answers to what was sent in a pipeline, which is left."""
        wire = self._wire
        wire.pipeline_sync()
        if wire.flush():
            found: Sequence[Any] = await self._driver.wait(answered(wire))
            return found
        results: list[Any] = []
        while not results or results[-1].status != _SYNC:
            if wire.is_busy():
                await self._more()
            result = wire.get_result()
            if result is not None:
                results.append(result)
            elif wire.status != ConnStatus.OK:  # else it is the end of one statement's answer
                raise OperationalError("the connection was lost")
        wire.exit_pipeline_mode()
        return results[:-1]

    async def _more(self) -> None:
        """Wait until the next result is here."""
        driver, wire = self._driver, self._wire
        try:
            while wire.is_busy():
                await driver.readable()
                wire.consume_input()
        except OperationalError:
            driver.forget_socket()
            raise
        except asyncio.CancelledError:
            await _give_up(driver)
            raise


async def _give_up(driver: Any) -> None:
    """End a query whose answer nobody waits for, and its connection, on which it may still come."""
    try:
        await driver.cancel_safe(timeout=_CANCEL_SECONDS)
    finally:
        await driver.close()
