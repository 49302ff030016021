"""A server that says what a test tells it to, before the module for pages in a real browser.

What a real server seldom says, or never at the moment of a test, is said here: every code, a hole,
silence. `tests/deploy/test_live_pages.py` has the real one. The clock of the page is the test's.
"""

import json
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Route, WebSocketRoute

import trivet_realtime
from trivet.asgi.middleware.security_headers import CONTENT_SECURITY_POLICY

MODULE = Path(trivet_realtime.__file__).parent / "static" / "trivet_realtime" / "live.js"
SECONDS = 60.0
AGES_MS = 300_000

CONNECTED = {"ping": 25, "pong": True}
SUBSCRIBED = {"recoverable": True, "positioned": True, "epoch": "e", "offset": 0}


class Connection:
    """One socket of the page: the frames that it sent, and what it is told."""

    def __init__(self, route: WebSocketRoute) -> None:
        self._route = route
        self.url = route.url
        self.frames: list[list[Any]] = []

    def say(self, *messages: Any) -> None:
        """Everything in one frame."""
        self._route.send("\n".join(json.dumps(message) for message in messages))

    def push(self, channel: str, **push: Any) -> None:
        self.say({"push": {"channel": channel, **push}})

    def publish(self, channel: str, *offsets: int) -> None:
        self.say(*({"push": {"channel": channel, "pub": publication(n)}} for n in offsets))

    def close(self, code: int) -> None:
        self._route.close(code=code, reason="as it was told")

    def asked(self, method: str) -> list[Any]:
        """The requests of this method so far."""
        return [each[method] for frame in self.frames for each in frame if method in each]

    def pongs(self) -> int:
        return self.frames.count([{}])


def publication(offset: int) -> Any:
    return {"offset": offset, "data": f"n{offset}"}


class Scripted:
    """The server. `replies` has what is answered next to a method, before what usually is."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.connections: list[Connection] = []
        self.replies: dict[str, list[Any]] = {}
        page.route_web_socket(re.compile("."), self._accept)

    @property
    def newest(self) -> Connection:
        return self.connections[-1]

    def _accept(self, route: WebSocketRoute) -> None:
        connection = Connection(route)
        self.connections.append(connection)
        route.on_message(lambda frame: self._hear(connection, str(frame)))

    def _hear(self, connection: Connection, frame: str) -> None:
        commands = [json.loads(line) for line in frame.split("\n")]
        connection.frames.append(commands)
        answers = [a for command in commands for a in self._answer(command)]
        if answers:
            connection.say(*answers)

    def _answer(self, command: Any) -> Iterator[Any]:
        method = next((name for name in command if name != "id"), "")
        usual: dict[str, Any] = {"connect": CONNECTED, "subscribe": SUBSCRIBED}
        if not method:
            return  # a pong
        told = self.replies.get(method, [])
        reply: Any = told.pop(0) if told else usual.get(method, {})
        if callable(reply):
            yield from reply(command)
        else:
            yield {"id": command["id"], **(reply if "error" in reply else {method: reply})}

    def until(self, read: Callable[[], Any], expected: Any = None) -> None:
        """Return when what is read is `expected`; without that, when it is true."""
        deadline = time.monotonic() + SECONDS
        while not (read() if expected is None else read() == expected):
            assert time.monotonic() < deadline, [each.frames for each in self.connections]
            self.page.wait_for_timeout(5)

    def pass_until(self, read: Callable[[], Any], expected: Any = None) -> None:
        """Let the page's time pass meanwhile. Slowly, for what is on its way between us and the
        page needs real time, and the page waits for it in its own."""

        def let_pass_and_read() -> Any:
            self.page.clock.run_for(20)
            return read()

        self.until(let_pass_and_read, expected)

    def count(self) -> int:
        return len(self.connections)

    def until_log(self, *expected: Any) -> None:
        """Return when the page has noted this, and nothing else; then it is forgotten."""
        wanted = [list(each) if isinstance(each, tuple) else each for each in expected]
        self.until(lambda: len(self.page.evaluate("window.log")) >= len(wanted))
        assert self.page.evaluate("window.log.splice(0)") == wanted

    def until_connected(self, count: int) -> Connection:
        """The connection of this number, when the page is told that it is connected."""
        self.until(lambda: len(self.connections) >= count)
        self.until(lambda: self.page.evaluate("window.live.status"), "connected")
        assert self.count() == count
        return self.newest


PREAMBLE = """async (address) => {
    window.module = await import(address);
    window.log = [];
    window.note = (kind) => (...given) =>
        log.push([kind, ...given.filter((each) => each !== undefined).map(plain)]);
    const plain = (given) =>
        given instanceof Error ? given.code ?? given.name : given?.data ?? given;
}"""


def open_page(page: Page, origin: str, prefix: str) -> None:
    """A page of ours, with the module, at an address that nobody has."""

    def serve(route: Route) -> None:
        if route.request.url.endswith(".js"):
            route.fulfill(body=MODULE.read_text(encoding="utf-8"), content_type="text/javascript")
        else:
            headers = {"content-security-policy": CONTENT_SECURITY_POLICY}
            route.fulfill(body="<!doctype html><title>x</title>", headers=headers)

    page.context.route(f"{origin}/**", serve)
    page.goto(f"{origin}{prefix}/page")
    page.evaluate(PREAMBLE, f"{prefix}/static/trivet_realtime/live.js")


@pytest.fixture(autouse=True)
def browser(module_browser: Browser) -> Browser:
    """In a module that imports this, the tests share one."""
    return module_browser


@pytest.fixture
def server(page: Page) -> Scripted:
    """A page with the module, its time at the test's command, and the server before it."""
    server = Scripted(page)
    page.clock.install(time=0)
    open_page(page, "https://house.test", "/outer")
    page.clock.pause_at(AGES_MS)
    return server


def connect(server: Scripted, options: str = "{}", then: str = "") -> Connection:
    """A new connection as `live` in place of the last one, connected; `then` runs with it."""
    count = server.count()
    script = f"() => {{ window.live?.close(); window.live = module.connect({options}); {then} }}"
    server.page.evaluate(script)
    return server.until_connected(count + 1)


def ping(server: Scripted, connection: Connection) -> None:
    """Return when the page has answered: what was said before it has been heard."""
    count = connection.pongs()
    connection.say({})
    server.until(connection.pongs, count + 1)


def recovery(*offsets: int, recovered: bool = True) -> Any:
    """The reply to a subscribe that recovers: of these, what comes after the position it came
    with. Not `recovered`, it goes on after the last of them."""

    def reply(command: Any) -> Iterator[Any]:
        asked = command["subscribe"]
        assert asked["recover"]
        result = {**SUBSCRIBED, "recovered": recovered, "was_recovering": True}
        result["offset"] = asked["offset"] if recovered else offsets[-1]
        if recovered:
            result["publications"] = [publication(n) for n in offsets if n > asked["offset"]]
        yield {"id": command["id"], "subscribe": result}

    return reply
