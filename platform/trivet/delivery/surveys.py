"""Surveys: what every process that serves sockets has, asked of all of them at once.

Whoever asks need not serve sockets: the server API asks, the admin, a command. The processes are
known by the register of those that live (`trivet.delivery.presence`). So a survey ends as soon as
all of them have answered, and knows who has not when its time is over: a process that is too busy,
or one that was killed and is still believed to live.
"""

import asyncio
import logging
import secrets
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

import msgspec

from trivet.broker import Broker
from trivet.data.database import Database
from trivet.delivery.controls import Survey, SurveyAnswer
from trivet.delivery.presence import list_nodes

logger = logging.getLogger(__name__)

ANSWER_SECONDS = 1.0
"""How long answers are waited for: many times the broker's usual lag, and a stall of a loop."""


@dataclass(frozen=True, slots=True)
class Answers:
    """The answers to one survey.

    Attributes:
        results: What the processes have answered, as JSON, by their names; most in one part.
        missing: The processes that should have answered wholly, and have not in time.
    """

    results: Mapping[str, Sequence[str]]
    missing: frozenset[str]

    @property
    def asked(self) -> int:
        """How many processes should have answered, or have."""
        return len(self.results) + len(self.missing)


class Surveys:
    """Asks the processes that share `broker`. Used on an event loop."""

    def __init__(self, broker: Broker, database: Database) -> None:
        self._broker = broker
        self._database = database
        self.is_answered_here = False
        """Whether this process serves sockets too."""

    async def ask(
        self, method: str, request: msgspec.Struct, *, seconds: float = ANSWER_SECONDS
    ) -> Answers:
        """Ask every process for what it has.

        Args:
            method: The name of what is asked for; see `trivet.delivery.controls.Survey`.
            request: The request of that method.
            seconds: How long the answers are waited for.

        Returns:
            The answers that came in time.
        """
        expected = await self._list_processes()
        if not expected:
            return Answers({}, frozenset())
        question = _Question(secrets.token_hex(8), expected)
        loop = asyncio.get_running_loop()

        def take(answer: SurveyAnswer) -> None:
            if answer.asker == self._broker.node and answer.number == question.number:
                loop.call_soon_threadsafe(question.take, answer)

        unsubscribe = self._broker.subscribe(SurveyAnswer, take)
        try:
            text = msgspec.json.encode(request).decode()
            self._broker.publish(Survey(self._broker.node, question.number, method, text))
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await question.is_answered.wait()
        finally:
            unsubscribe()
        return question.find_answers()

    async def _list_processes(self) -> frozenset[str]:
        """The processes that serve sockets, as far as they are known."""
        here = frozenset({self._broker.node} if self.is_answered_here else ())
        if not self._broker.state.is_shared:
            return here
        async with self._database.unit(read_only=True) as session:
            return here | await session.run_sync(list_nodes)


class _Question:
    """A survey that is under way."""

    def __init__(self, number: str, expected: Collection[str]) -> None:
        self.number = number
        self.is_answered = asyncio.Event()
        self._waiting = set(expected)
        self._expected = frozenset(expected)
        self._answers: defaultdict[str, list[SurveyAnswer]] = defaultdict(list)

    def take(self, answer: SurveyAnswer) -> None:
        # A process of an older version does not say who it is, and answers in one part.
        node = answer.node or f"unnamed {len(self._answers) + 1}"
        self._answers[node].append(answer)
        if self._is_whole(node):
            self._waiting.discard(node)
            if not self._waiting:
                self.is_answered.set()

    def _is_whole(self, node: str) -> bool:
        answers = self._answers.get(node, [])
        return bool(answers) and len(answers) >= answers[0].parts

    def find_answers(self) -> Answers:
        whole = {node: each for node, each in self._answers.items() if self._is_whole(node)}
        missing = (self._expected | self._answers.keys()) - whole.keys()
        return Answers(
            {node: [answer.result for answer in each] for node, each in whole.items()},
            frozenset(missing),
        )


def warn_of_missing(answers: Answers, method: str) -> None:
    """Log that a survey is incomplete, for callers whose own answer has no place to say it."""
    if answers.missing:
        logger.warning(
            "%d of %d processes did not answer the survey of %s in time: %s",
            len(answers.missing),
            answers.asked,
            method,
            ", ".join(sorted(answers.missing)),
        )
