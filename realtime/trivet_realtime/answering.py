"""The answers of this process to surveys (`trivet.delivery.surveys`).

A process may have tens of thousands of clients and channels. So what it has is looked through in
slices, between which the event loop gets its turn, and an answer that is too large for a message
goes in parts.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence

import msgspec
from msgspec import Struct

from trivet.delivery.connection_states import CONNECTIONS
from trivet.delivery.controls import Survey, SurveyAnswer
from trivet_realtime.hub import Hub
from trivet_realtime.overview import describe_connections
from trivet_realtime.server_api.reading import list_channels, list_info

Answer = Callable[[Hub, str], Awaitable[Sequence[Struct]]]
"""What this process has, for a request as JSON; in parts, of which each is a result for itself."""

ANSWERS: Mapping[str, Answer] = {
    "channels": list_channels,
    "info": list_info,
    CONNECTIONS: describe_connections,
}


def answer_survey(hub: Hub, survey: Survey) -> None:
    """Answer the question of a process, which may be this one. A newer one may ask what this
    version does not know."""
    answer = ANSWERS.get(survey.method)
    if answer is not None:
        hub.spawn(_answer(hub, survey, answer))


async def _answer(hub: Hub, survey: Survey, answer: Answer) -> None:
    results = await answer(hub, survey.request)
    for result in results:
        text = msgspec.json.encode(result).decode()
        reply = SurveyAnswer(survey.asker, survey.number, text, hub.node, len(results))
        hub.platform.broker.publish(reply, node=survey.asker)
        await asyncio.sleep(0)
