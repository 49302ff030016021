"""Surveys: what every process has, asked of all of them at once.

Nobody knows how many processes there are, so the asking one waits a fixed while for answers. A
process that is slower than that is missing, as one is that has just begun.
"""

import asyncio
import secrets
from collections.abc import Callable, Mapping
from typing import TypeVar

import msgspec
from msgspec import Struct

from trivet.delivery.controls import Survey, SurveyAnswer
from trivet_realtime.hub import Hub

ANSWER_SECONDS = 0.3
"""How long the answers of other processes are waited for: many times the broker's usual lag."""

Answer = Callable[[Hub, str], Struct]
"""What this process has, for a request as JSON."""

R = TypeVar("R", bound=Struct)


async def ask_others(hub: Hub, method: str, request: Struct, kind: type[R]) -> list[R]:
    """The answers of the other processes; none where no broker joins them."""
    broker = hub.platform.broker
    if not broker.state.is_shared:
        return []
    number = secrets.token_hex(8)
    answers = hub.surveys[number] = []
    try:
        text = msgspec.json.encode(request).decode()
        broker.publish(Survey(hub.node, number, method, text))
        await asyncio.sleep(ANSWER_SECONDS)
    finally:
        del hub.surveys[number]
    return [msgspec.json.decode(each, type=kind) for each in answers]


def answer_survey(hub: Hub, survey: Survey, answers: Mapping[str, Answer]) -> None:
    """Answer the question of another process. A newer one may ask what this one does not know."""
    answer = answers.get(survey.method)
    if survey.asker == hub.node or answer is None:
        return
    result = msgspec.json.encode(answer(hub, survey.request)).decode()
    reply = SurveyAnswer(survey.asker, survey.number, result)
    hub.platform.broker.publish(reply, node=survey.asker)


def take_answer(hub: Hub, answer: SurveyAnswer) -> None:
    """Note the answer of another process, unless nobody waits for it any more."""
    if answer.asker == hub.node and answer.number in hub.surveys:
        hub.surveys[answer.number].append(answer.result)
