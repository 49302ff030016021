"""Bodies that take their time: bounded by a deadline, and all of them by what they may hold."""

import asyncio
import gc
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import Message, Receive, Scope, Send

from tests.platform.bare import bare_root, mounted
from trivet.asgi.bodies import Body
from trivet.context import RequestContext

pytestmark = pytest.mark.anyio


async def count(scope: Scope, receive: Receive, send: Send) -> None:
    body = await Request(scope, receive).body()
    await PlainTextResponse(f"{len(body)} bytes")(scope, receive, send)


async def excuse(scope: Scope, receive: Receive, send: Send) -> None:
    """An app that makes an excuse of its own when the body cannot be read."""
    try:
        await Request(scope, receive).body()
    except Exception:  # noqa: BLE001  # that is the bad habit which this app stands for
        await PlainTextResponse("never mind", 400)(scope, receive, send)


async def early(scope: Scope, receive: Receive, send: Send) -> None:
    await Response(status_code=404)(scope, receive, send)


class Sender:
    """A client that sends what it is told to, when it is told to."""

    scope: ClassVar[Scope] = {
        "type": "http",
        "method": "POST",
        "scheme": "http",
        "headers": [(b"host", b"localhost")],
    }

    def __init__(self, root: Any, path: str = "/count/") -> None:
        self.answer: list[Message] = []
        self.parts: asyncio.Queue[Message] = asyncio.Queue()
        scope = {**self.scope, "path": path}
        self.task = asyncio.create_task(root(scope, self.parts.get, self._take))

    async def _take(self, message: Message) -> None:
        self.answer.append(message)

    async def send(self, size: int, *, more: bool = True) -> None:
        """Send so many bytes, and let the server read them."""
        await self.parts.put({"type": "http.request", "body": b"x" * size, "more_body": more})
        for _ in range(10):
            await asyncio.sleep(0)

    @property
    def status(self) -> int:
        return int(self.answer[0]["status"]) if self.answer else 0

    @property
    def closes(self) -> bool:
        return (b"connection", b"close") in self.answer[0]["headers"]

    async def finish(self) -> int:
        await asyncio.wait_for(self.task, 20)
        return self.status


@pytest.fixture
def root(tmp_path: Path) -> Any:
    apps = [mounted(count, "/count"), mounted(excuse, "/excuse"), mounted(early, "/early")]
    bounds = {"body_limit_bytes": 2000, "held_bodies_bytes": 5000, "body_seconds": 0.3}
    return bare_root(tmp_path, apps, **bounds)


@pytest.mark.parametrize("path", ["/count/", "/excuse/"])
async def test_a_body_that_is_never_finished_is_408_and_the_connection_ends(
    root: Any, path: str
) -> None:
    sender = Sender(root, path)
    await sender.send(1950)
    assert await sender.finish() == 408
    assert sender.closes


async def test_a_body_that_trickles_has_one_deadline_and_not_one_for_each_byte(root: Any) -> None:
    sender = Sender(root)
    for _ in range(100):
        if sender.status:
            break
        await sender.send(1)
        await asyncio.sleep(0.05)
    assert await sender.finish() == 408


async def test_who_sends_swiftly_is_served_while_the_slow_hold_all_the_room(root: Any) -> None:
    slow = [Sender(root) for _ in range(3)]
    for sender in slow:
        await sender.send(1600)  # 4,800 of 5,000 bytes
    swift = Sender(root)
    await swift.send(1500)
    await swift.send(100, more=False)
    assert await swift.finish() == 200
    assert [sender.status for sender in slow] == [503, 0, 0], "the oldest gives way, nobody else"
    assert slow[0].closes
    await slow[1].send(0, more=False)
    assert await slow[1].finish() == 200


async def test_what_was_held_is_given_back(root: Any) -> None:
    for _ in range(6):  # each of them, kept, would fill the bound by the fourth
        sender = Sender(root)
        await sender.send(2000, more=False)
        assert await sender.finish() == 200
        refused = Sender(root)
        await refused.send(1999)
        await refused.send(2)
        assert await refused.finish() == 413
        left = Sender(root)
        await left.send(1500)
        await left.parts.put({"type": "http.disconnect"})
        await asyncio.wait([left.task], timeout=20)
        assert left.task.done()
        left.task.exception()
    others = [Sender(root) for _ in range(2)]
    for sender in others:
        await sender.send(2000, more=False)
    assert [await sender.finish() for sender in others] == [200, 200]


async def test_an_app_that_takes_its_time_costs_the_client_nothing(tmp_path: Path) -> None:
    async def slow(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await asyncio.sleep(0.4)
        await count(scope, receive, send)

    root = bare_root(tmp_path, [mounted(slow, "/slow")], body_seconds=0.3)
    sender = Sender(root, "/slow/")
    await sender.send(10)
    await sender.send(10, more=False)
    assert await sender.finish() == 200


async def test_a_request_leaves_nothing_to_the_collector(root: Any) -> None:
    """What it has read would stay in memory until the collector looks."""
    gc.collect()
    before = [*alive()]  # of other tests, and kept so that none of ours has its place
    gc.disable()
    try:
        sender = Sender(root)
        await sender.send(9, more=False)
        assert await sender.finish() == 200
        del sender
        known = {id(each) for each in before}
        assert [each for each in alive() if id(each) not in known] == []
    finally:
        gc.enable()


def alive() -> Iterator[object]:
    return (each for each in gc.get_objects() if isinstance(each, RequestContext | Body))


class Later:
    """What a server of its own making may give for a message: it is no coroutine, and knows only
    how to go on."""

    def __init__(self, message: Message) -> None:
        self.message = message

    def __await__(self) -> Generator[None, None, Message]:
        yield
        yield
        return self.message


async def test_a_message_may_be_anything_that_can_be_awaited(root: Any) -> None:
    answer: list[Message] = []
    waiting = asyncio.get_running_loop().create_future()
    messages: list[Any] = [
        Later({"type": "http.request", "body": b"one", "more_body": True}),
        waiting,
    ]

    async def take(message: Message) -> None:
        answer.append(message)

    scope = {**Sender.scope, "path": "/count/"}
    task = asyncio.create_task(root(scope, lambda: messages.pop(0), take))
    await asyncio.sleep(0.01)
    waiting.set_result({"type": "http.request", "body": b"two", "more_body": False})
    await task
    assert answer[1]["body"] == b"6 bytes"
