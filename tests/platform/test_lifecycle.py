"""The life of a process: its states, and that what it owes others is done whatever fails."""

import asyncio
import itertools
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from tests.platform.bare import bare_root, client_of, mounted
from trivet.asgi.root import Root
from trivet.lifecycle import Lifecycle, LifecycleError, State, Step

pytestmark = pytest.mark.anyio

GOES_ON_TO = {
    State.STARTING: {State.READY, State.STOPPED},
    State.READY: {State.STOPPED},
    State.DRAINING: {State.STOPPED},
    State.STOPPED: set(),
}
"""Where `start`, and `stop`, lead from each state. To drain twice is to drain."""


async def lifecycle_that_is(state: State) -> Lifecycle:
    lifecycle = Lifecycle()
    if state is State.READY:
        await lifecycle.start([])
    elif state is State.DRAINING:
        lifecycle.drain()
    elif state is State.STOPPED:
        await lifecycle.stop([])
    assert lifecycle.state is state
    return lifecycle


@pytest.mark.parametrize(
    ("state", "goal"), [*itertools.product(State, (State.READY, State.STOPPED))]
)
async def test_a_state_leads_on_and_never_back(state: State, goal: State) -> None:
    lifecycle = await lifecycle_that_is(state)
    move = lifecycle.start if goal is State.READY else lifecycle.stop
    if goal in GOES_ON_TO[state]:
        await move([])
        assert lifecycle.state is goal
    else:
        with pytest.raises(LifecycleError, match=f"{state} cannot become"):
            await move([])
        assert lifecycle.state is state


async def test_a_process_that_has_stopped_cannot_drain() -> None:
    lifecycle = await lifecycle_that_is(State.STOPPED)
    with pytest.raises(LifecycleError, match="stopped cannot become draining"):
        lifecycle.drain()


async def test_what_goes_on_is_told_once_and_a_replaced_process_stays_ready() -> None:
    for calls in (["release", "drain", "drain"], ["drain", "release"]):
        lifecycle, told = await lifecycle_that_is(State.READY), []
        lifecycle.on_drain(lambda: told.append("told"))  # noqa: B023  # called in this turn
        for number, call in enumerate(calls):
            getattr(lifecycle, call)()
            ready = calls[: number + 1] == ["release"]
            assert lifecycle.state is (State.READY if ready else State.DRAINING)
            assert told == ["told"]


async def test_a_process_that_cannot_start_runs_no_step_of_starting() -> None:
    lifecycle, ran = await lifecycle_that_is(State.READY), list[str]()
    with pytest.raises(LifecycleError):
        await lifecycle.start([step("again", ran)])
    assert ran == []


def step(name: str, ran: list[str], does: Callable[[], Any] = anyio.lowlevel.checkpoint) -> Step:
    async def run() -> None:
        ran.append(name)
        await does()

    return Step(name, run, seconds=0.05)


async def fail() -> None:
    raise ZeroDivisionError


async def resist() -> None:
    """Wait for ever, also when it is cancelled."""
    with anyio.CancelScope(shield=True):
        await anyio.sleep(0.5)


async def test_a_step_of_stopping_that_fails_or_hangs_keeps_no_other_from_running(
    caplog: pytest.LogCaptureFixture,
) -> None:
    lifecycle, ran = await lifecycle_that_is(State.READY), list[str]()
    steps = [
        step("first", ran, fail),
        step("second", ran, anyio.sleep_forever),
        step("third", ran, resist),
        step("fourth", ran),
    ]
    with caplog.at_level(logging.INFO, "trivet.lifecycle"):
        await lifecycle.stop(steps)
    assert ran == ["first", "second", "third", "fourth"]
    assert lifecycle.state is State.STOPPED
    told = [(record.levelname, record.message.partition(",")[0]) for record in caplog.records]
    assert told == [
        ("ERROR", "stopping 1 of 4: failed: first"),
        ("ERROR", "stopping 2 of 4: failed: second"),
        ("ERROR", "stopping 3 of 4: failed: third"),
        ("INFO", "stopping 4 of 4: fourth"),
        ("INFO", "this process is draining"),
        ("INFO", "this process is stopped"),
    ]
    assert "not done within 0.05 s" in caplog.text


async def test_a_step_of_starting_that_fails_ends_the_start() -> None:
    lifecycle, ran = Lifecycle(), list[str]()
    with pytest.raises(ZeroDivisionError):
        await lifecycle.start([step("first", ran), step("second", ran, fail), step("third", ran)])
    assert ran == ["first", "second"]
    assert lifecycle.state is State.STARTING


async def test_a_process_stops_in_the_order_that_is_promised(tmp_path: Path) -> None:
    root = bare_root(
        tmp_path,
        [mounted(hello, "/one"), mounted(hello, "/two"), mounted(hello, "/bare", lifespan=False)],
    )
    assert [each.name for each in root.process.stopping()] == [
        "not ready for the balancer",
        "sockets are told to go elsewhere",
        "requests are finished",
        "two has stopped",
        "one has stopped",
        "queues are measured no more",
        "the event loop is watched no more",
        "open files are watched no more",
        "no answer is being removed",
        "no session is being removed",
        "uses of keys are written",
        "no publication is being removed",
        "the relay is drained",
        "the broker is disconnected",
        "connections are closed",
    ]


async def hello(scope: Scope, receive: Receive, send: Send) -> None:
    await PlainTextResponse("hello")(scope, receive, send)


async def readiness(root: Root) -> tuple[int, str]:
    async with client_of(root) as client:
        answer = await client.get("/readyz")
    return answer.status_code, answer.json()["state"]


class Life:
    """A mounted app that asks /readyz in every phase of its life, and holds a request."""

    def __init__(self) -> None:
        self.root: Root
        self.seen: list[Any] = []
        self.asked, self.answer = anyio.Event(), anyio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            self.asked.set()
            await self.answer.wait()
            await PlainTextResponse("at last")(scope, receive, send)
            self.seen.append("answered")
            return
        await receive()
        self.seen.append(("starting", await readiness(self.root)))
        await send({"type": "lifespan.startup.complete"})
        await receive()
        self.seen.append(("stopping", await readiness(self.root)))
        await send({"type": "lifespan.shutdown.complete"})

    async def drain(self) -> None:
        self.seen.append(("draining", await readiness(self.root)))
        # Later than the other steps would take.
        asyncio.get_running_loop().call_later(0.2, self.answer.set)


async def test_readyz_names_the_state_and_requests_are_finished_before_apps_stop(
    tmp_path: Path,
) -> None:
    life = Life()
    root = life.root = bare_root(tmp_path, [mounted(life, "/life", drain=life.drain)])
    lifecycle = root.platform.lifecycle
    await lifecycle.start(root.process.starting())
    assert (await readiness(root))[1] == "ready"
    async with client_of(root) as client, anyio.create_task_group() as group:

        async def ask() -> None:
            assert (await client.get("/life/")).text == "at last"

        group.start_soon(ask)
        await life.asked.wait()
        await lifecycle.stop(root.process.stopping())
    assert life.seen == [
        ("starting", (503, "starting")),
        ("draining", (503, "draining")),
        "answered",
        ("stopping", (503, "draining")),
    ]
    assert await readiness(root) == (503, "stopped")


async def test_a_process_that_drains_is_asked_no_check(tmp_path: Path) -> None:
    async def broken() -> str:
        raise AssertionError

    root = bare_root(tmp_path, [mounted(hello, "/hello", find_pending=broken)])
    root.platform.lifecycle.drain()
    async with client_of(root) as client:
        answer = await client.get("/readyz")
        assert answer.json() == {"status": "unavailable", "state": "draining", "checks": {}}
        assert answer.headers["retry-after"] == "1"
        assert (await client.get("/healthz")).status_code == 200


async def test_what_fails_at_the_stop_leaves_the_relay_and_the_keys_their_turn(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    drained: list[str] = []

    async def drain() -> None:
        drained.append("other")

    async def stubborn(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        raise ZeroDivisionError

    root = bare_root(
        tmp_path, [mounted(stubborn, "/one", drain=fail), mounted(hello, "/two", drain=drain)]
    )
    lifecycle, platform = root.platform.lifecycle, root.platform
    await lifecycle.start(root.process.starting())
    platform.key_uses.note("tvt_0123456789ab")
    ran = platform.relay.state.running
    with caplog.at_level(logging.WARNING):
        await lifecycle.stop(root.process.stopping())
    assert drained == ["other"]
    assert (ran, platform.relay.state.running) == (True, False)
    assert "some connections were not sent elsewhere" in caplog.text
    # There is no table here, so the attempt to write them is what can be seen.
    (said,) = (line for line in caplog.messages if line.startswith("the last uses of API keys"))
    assert said.endswith(
        "could not be written: (sqlite3.OperationalError) no such table: trivet_api_key"
    )
