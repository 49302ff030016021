"""Lifespans of mounted apps: up in order, down in reverse, and honest when one fails."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.types import ASGIApp, Receive, Scope, Send

from tests.platform.bare import bare_root, mounted

pytestmark = pytest.mark.anyio


def recording(name: str, log: list[str], state: dict[str, Any] | None = None) -> Starlette:
    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[dict[str, Any]]:
        log.append(f"{name} up")
        yield state or {}
        log.append(f"{name} down")

    return Starlette(lifespan=lifespan)


async def failing(scope: Scope, receive: Receive, send: Send) -> None:
    await receive()
    await send({"type": "lifespan.startup.failed", "message": "the cellar is flooded"})


async def failing_without_a_word(scope: Scope, receive: Receive, send: Send) -> None:
    await receive()
    await send({"type": "lifespan.startup.failed", "message": ""})


async def unaware(scope: Scope, receive: Receive, send: Send) -> None:
    raise ValueError("lifespan is nothing I know")


async def never_ready(scope: Scope, receive: Receive, send: Send) -> None:
    await receive()
    await asyncio.Event().wait()


async def run_lifespan(
    app: ASGIApp, while_up: Callable[[], None] = lambda: None
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Everything that `app` sends when a server starts and stops it, and its state."""
    sent: list[dict[str, Any]] = []
    questions = iter(["lifespan.startup", "lifespan.shutdown"])

    async def receive() -> dict[str, Any]:
        question = next(questions)
        if question == "lifespan.shutdown":
            while_up()
        return {"type": question}

    async def send(message: Any) -> None:
        sent.append(message)

    state: dict[str, Any] = {}
    await app({"type": "lifespan", "asgi": {"version": "3.0"}, "state": state}, receive, send)
    return sent, state


async def test_apps_start_in_order_and_stop_in_reverse(tmp_path: Path) -> None:
    log: list[str] = []
    root = bare_root(
        tmp_path,
        [mounted(recording("first", log), "/first"), mounted(recording("second", log), "/second")],
    )
    sent, _ = await run_lifespan(root, lambda: log.append("serving"))
    assert log == ["first up", "second up", "serving", "second down", "first down"]
    assert [message["type"] for message in sent] == [
        "lifespan.startup.complete",
        "lifespan.shutdown.complete",
    ]


async def test_the_states_of_all_apps_are_merged(tmp_path: Path) -> None:
    root = bare_root(
        tmp_path,
        [
            mounted(recording("a", [], {"engine": 1}), "/a"),
            mounted(recording("b", [], {"mailer": 2}), "/b"),
        ],
    )
    _, state = await run_lifespan(root)
    assert state == {"engine": 1, "mailer": 2}


@pytest.mark.parametrize(
    ("app", "sentence"),
    [
        (failing, "cellar could not start: the cellar is flooded"),
        (failing_without_a_word, "cellar could not start: it gave no reason"),
    ],
)
async def test_a_failed_start_stops_what_had_started_and_names_the_app(
    tmp_path: Path, app: ASGIApp, sentence: str
) -> None:
    log: list[str] = []
    root = bare_root(
        tmp_path,
        [
            mounted(recording("first", log), "/first"),
            mounted(app, "/cellar"),
            mounted(recording("third", log), "/third"),
        ],
    )
    sent, _ = await run_lifespan(root)
    assert sent == [{"type": "lifespan.startup.failed", "message": sentence}]
    assert log == ["first up", "first down"]


async def test_an_app_that_does_not_start_in_time_has_failed(tmp_path: Path) -> None:
    log: list[str] = []
    mounts = [mounted(recording("first", log), "/first"), mounted(never_ready, "/cellar")]
    sent, _ = await run_lifespan(bare_root(tmp_path, mounts, start_seconds=0.05))
    sentence = (
        "cellar could not start: its lifespan has not answered for 0.05 s (TRIVET_START_SECONDS)."
    )
    assert sent == [{"type": "lifespan.startup.failed", "message": sentence}]
    assert log == ["first up", "first down"]
    assert not [each for each in asyncio.all_tasks() if "cellar" in each.get_name()]


async def test_without_a_bound_an_app_is_waited_for(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    lifespan = bare_root(tmp_path, [mounted(never_ready, "/cellar")], start_seconds=0)
    lifecycle, steps = lifespan.platform.lifecycle, lifespan.process.starting()[-1:]
    starting = asyncio.create_task(lifecycle.start(steps, patience=0.02))
    with caplog.at_level(logging.WARNING):
        while len(caplog.messages) < 2:  # noqa: ASYNC110  # a log has no event
            await asyncio.sleep(0.01)
    starting.cancel()
    await asyncio.wait([starting])
    assert caplog.messages[:2] == [
        f"starting 1 of 1: waiting until cellar has started, for {seconds} s so far"
        for seconds in (0.02, 0.04)
    ]


async def test_an_app_that_knows_no_lifespan_is_left_alone(tmp_path: Path) -> None:
    log: list[str] = []
    root = bare_root(
        tmp_path, [mounted(unaware, "/unaware"), mounted(recording("other", log), "/other")]
    )
    sent, _ = await run_lifespan(root)
    assert sent[0] == {"type": "lifespan.startup.complete"}
    assert log == ["other up", "other down"]
