"""The probes: alive (the process serves) and ready (it can do its work)."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any

import anyio
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import Receive, Scope, Send

from trivet import migrations
from trivet.asgi.mount import MountedApp
from trivet.broker import BrokerState
from trivet.context import context_of
from trivet.data.outages import find_outage
from trivet.lifecycle import State
from trivet.platform import Platform

PROBE_SECONDS = 2.0
"""A probe that takes longer is answered "not ready": orchestrators ask every few seconds."""

OK = "ok"

Question = Callable[[], Awaitable[str | None]]
"""Asks one part for what it waits: it returns a sentence, or nothing if it can work."""


async def alive(_request: Request) -> JSONResponse:
    """200 as long as the event loop runs. It needs nothing else."""
    return JSONResponse({"status": OK})


class Readiness:
    """200 if the process is ready, the database answers, every migration is applied, the relay
    delivers and every mounted app is ready; otherwise 503, with the state and the reasons.
    The states of the broker and of replicas are told, and decide nothing.

    A process that drains skips the checks: it should get no request, whatever still works.
    """

    def __init__(self, mounts: Sequence[MountedApp]) -> None:
        self.mounts = mounts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        platform = context_of(scope).platform
        questions: dict[str, Question] = {
            "database": platform.database.ping,
            "migrations": partial(_find_pending_migrations, platform),
            "relay": partial(_ask_relay, platform),
        }
        questions |= {mounted.name: mounted.find_pending for mounted in self.mounts}
        state = platform.lifecycle.state
        if state in (State.DRAINING, State.STOPPED):
            questions = {}
        checks = await _ask_all(questions)
        ready = state is State.READY and all(result == OK for result in checks.values())
        body = {"status": OK if ready else "unavailable", "state": state, "checks": checks}
        if platform.replicas is not None:  # without them everything is read from the primary
            body["replicas"] = platform.replicas.states
        if platform.broker.state.is_shared:  # while it is away, polls find everything
            body["broker"] = _describe(platform.broker.state)
        response = JSONResponse(
            body,
            status_code=200 if ready else 503,
            headers={} if ready else {"retry-after": "1"},
        )
        await response(scope, receive, send)


def _describe(state: BrokerState) -> dict[str, Any]:
    return {
        "kind": state.kind,
        "connected": state.is_connected,
        "lag_seconds": state.lag_seconds,
        "failures": state.failures,
        "peers": state.peers,
        "alone": state.is_alone,
    }


async def _ask_all(questions: Mapping[str, Question]) -> dict[str, str]:
    """The answers in the order of the questions, within `PROBE_SECONDS` for all together.

    The checks run side by side. One after another, several checks that wait for the same lost
    database would take so long that an orchestrator gives up before it learns which one failed.
    """
    answers = dict.fromkeys(questions, "")

    async def note(name: str, question: Question) -> None:
        answers[name] = await _ask(question)

    async with anyio.create_task_group() as group:
        for name, question in questions.items():
            group.start_soon(note, name, question)
    return answers


async def _ask(question: Question) -> str:
    """The answer to one check: `OK`, or what is wrong, within `PROBE_SECONDS`."""
    try:
        with anyio.fail_after(PROBE_SECONDS):
            return await question() or OK
    except TimeoutError:
        return f"no answer within {PROBE_SECONDS:g} s"
    except Exception as error:  # noqa: BLE001  # any failure here is the answer
        outage = find_outage(error)
        return type(error).__name__ if outage is None else outage.state


async def _find_pending_migrations(platform: Platform) -> str:
    if await migrations.pending(platform.database, platform.features):
        return "run 'trivet migrate'"
    if not platform.settings.debug:
        return ""
    # Reads the whole schema, which is worth it only while an author changes the models.
    found = await migrations.find_difference(platform.database, platform.features)
    return f"{found.sentence}: {found.cure}" if found else ""


async def _ask_relay(platform: Platform) -> str:
    return "" if platform.relay.state.is_healthy else "does not deliver"
