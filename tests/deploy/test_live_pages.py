"""Pages with live data, in a real browser, on a real server with two workers.

The module `live.js`, and the npm package `centrifuge` by each of its transports, side by side.
What the module does with what a server seldom says is in `tests/realtime/test_live_*.py`.
"""

import hashlib
import os
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import httpx2
import pytest
from playwright.sync_api import Browser, BrowserContext, Page
from sqlalchemy import create_engine

from tests.deploy.crates.models import Crate
from tests.deploy.dock import ROOT, Watch, add_superuser
from tests.deploy.watched_pages import SDK, SECONDS, until
from tests.services.browser import serving_page
from tests.services.children import children_of
from tests.services.databases import Databases
from tests.services.people import PASSWORD
from tests.services.server import Server, StartServer
from trivet.data.engine import async_url

pytestmark = pytest.mark.database("postgresql")  # several workers on one database

SERVER_KEY = "a-key-of-the-server-api-in-these-tests"


@pytest.fixture(autouse=True)
def browser(module_browser: Browser) -> Browser:
    """In this module, the tests share one."""
    return module_browser


class House:
    """The server, with a hand on its workers, and a page of somebody else's who may call it."""

    def __init__(self, server: Server, watch: Watch, neighbour: str) -> None:
        self.server = server
        self.watch = watch
        self.neighbour = neighbour
        self.http = httpx2.Client(base_url=server.url, timeout=60, trust_env=False)

    def put(self, dock: str, label: str) -> bool:
        """Whether it is said to be put down. Without that it may be, too: a worker that dies says
        nothing."""
        try:
            answer = self.http.post(f"/api/crates/{dock}/{label}")
        except httpx2.TransportError:
            return False
        assert answer.status_code in {201, 503}, answer.text
        return answer.status_code == 201

    def ask(self, method: str, **command: Any) -> Any:
        """The result of a command of the server API."""
        headers = {"x-api-key": SERVER_KEY}
        answer = self.http.post(f"/ws/api/{method}", json=command, headers=headers)
        return answer.json()["result"]

    def workers_with_clients(self) -> int:
        return sum(node["num_clients"] > 0 for node in self.ask("info")["nodes"])

    def replace_a_killed_worker(self) -> None:
        """kill -9 of one, and return when there is another."""
        ready = self.count("this process is ready")
        os.kill(children_of(self.server.process.pid)[0], signal.SIGKILL)
        until(lambda: self.count("this process is ready") == ready + 1)

    def replace_all_workers(self) -> None:
        """A deployment: HUP, and return when the former ones are gone."""
        stopped = self.count("this process is stopped")
        self.server.process.send_signal(signal.SIGHUP)
        until(lambda: self.count("this process is stopped") == stopped + 2)

    def count(self, line: str) -> int:
        """How often the log says this."""
        return self.server.log_text().count(line)

    @contextmanager
    def writing(self, dock: str) -> Iterator[list[str]]:
        """One crate after the other, by another client, until the block ends: the labels that are
        said to be put down."""
        confirmed: list[str] = []
        is_over = threading.Event()

        def write() -> None:
            number = 0
            while not is_over.wait(0.01):
                number += 1
                if self.put(dock, f"n{number}"):
                    confirmed.append(f"n{number}")

        with ThreadPoolExecutor(1) as pool:
            running = pool.submit(write)
            try:
                yield confirmed
            finally:
                is_over.set()
            running.result()


@pytest.fixture(scope="module")
def house(start_shared_server: StartServer, databases: Databases) -> Iterator[House]:
    url = databases.create()
    engine = create_engine(async_url(url))
    table: Any = Crate.__table__
    table.create(engine)
    engine.dispose()
    add_superuser(url, "boss")
    with (
        serving_page("<!doctype html><title>A neighbour</title>") as port,
        pytest.MonkeyPatch.context() as patch,
    ):
        neighbour = f"http://127.0.0.1:{port}"
        patch.setenv("PYTHONPATH", ROOT)
        server = start_shared_server(
            "serve",
            "--workers=2",
            database_url=url,
            features="departures,tests.deploy.crates",
            server_api_keys=SERVER_KEY,
            allowed_origins=neighbour,
            shutdown_seconds="2",
        )
        house = House(server, Watch(url), neighbour)
        yield house
        house.http.close()


MODULE = """async () => {
    window.module = await import("/static/trivet_realtime/live.js");
    window.clients = [];
}"""
LISTEN = """(dock) => {
    const live = module.connect({
        status: (status, error) => seen.connection = [status, error?.code],
    });
    const seen = { kind: "live.js", told: [], gaps: 0, live };
    live.subscribe(`crates:${dock}`, {
        publication: ({ offset, data }) => seen.told.push([offset, data.label]),
        gap: () => seen.gaps++,
        status: (status, error) => seen.status = [status, error?.code],
    });
    clients.push(seen);
}"""
LISTEN_BY_SDK = """([dock, transport]) => {
    const socket = new URL("/ws", location.href.replace("http", "ws")).href;
    const endpoints = transport === "websocket"
        ? socket : [{ transport, endpoint: new URL(`/ws/${transport}`, location.href).href }];
    const centrifuge = new Centrifuge(endpoints, {
        emulationEndpoint: new URL("/ws/emulation", location.href).href,
        minReconnectDelay: 50, maxReconnectDelay: 500,
    });
    const seen = { kind: transport, told: [], gaps: 0, centrifuge };
    const subscription = centrifuge.newSubscription(`crates:${dock}`, { minResubscribeDelay: 50 });
    subscription.on("publication", ({ offset, data }) => seen.told.push([offset, data.label]));
    subscription.on("subscribed", ({ wasRecovering, recovered }) => {
        seen.status = ["subscribed"];
        if (wasRecovering && !recovered) seen.gaps++;
    });
    subscription.on("unsubscribed", ({ code }) => seen.status = ["ended", code]);
    subscription.subscribe();
    centrifuge.connect();
    seen.history = () => subscription.history({ limit: 0 });
    clients.push(seen);
}"""
SEEN = "clients.map(({ kind, told, gaps }) => ({ kind, told, gaps }))"


@pytest.fixture
def visited(house: House, context: BrowserContext, page: Page) -> Page:
    """A page of ours, with the module and with the SDK."""
    # The SDK comes by the browser's own door: a page's would be a script of the site.
    context.add_init_script(path=SDK)
    page.goto(f"{house.server.url}/departures/")
    page.evaluate(MODULE)
    return page


def until_so(page: Page, question: str) -> None:
    """Return when the page says yes. Playwright's own way evaluates texts, which our policy
    refuses."""
    deadline = time.monotonic() + SECONDS
    while not page.evaluate(question):
        assert time.monotonic() < deadline, page.evaluate(SEEN)
        page.wait_for_timeout(20)


def until_subscribed(page: Page) -> None:
    until_so(page, "clients.every(({ status }) => status?.[0] === 'subscribed')")


def until_told(page: Page, top: int) -> None:
    until_so(page, f"clients.every(({{ told }}) => told.at(-1)?.[0] >= {top})")


def listen_at_both_workers(house: House, page: Page, dock: str) -> None:
    """Clients of every kind, until both workers have some."""
    transports: Sequence[str] = ("websocket", "http_stream", "sse")
    for _ in range(10):
        for transport in transports:
            page.evaluate(LISTEN_BY_SDK, [dock, transport])
        page.evaluate(LISTEN, dock)
        page.evaluate(LISTEN, dock)
        until_subscribed(page)
        if house.workers_with_clients() == 2:
            return
        transports = ("websocket",)  # a browser has six connections of HTTP to one site
    raise AssertionError("one of the workers takes no connection")


def test_clients_of_every_kind_have_everything_once_while_workers_die_and_are_replaced(
    house: House, visited: Page
) -> None:
    listen_at_both_workers(house, visited, "storm")
    with house.writing("storm") as confirmed:
        until(lambda: len(confirmed) > 20)
        for replace in (house.replace_a_killed_worker, house.replace_all_workers):
            replace()
            count = len(confirmed)
            until(lambda: len(confirmed) > count + 20)  # noqa: B023  # it is read in this turn
    labels = house.watch.told("storm")
    assert set(confirmed) <= set(labels)
    until_told(visited, len(labels))
    expected = [[offset, label] for offset, label in enumerate(labels, 1)]
    for seen in visited.evaluate(SEEN):
        assert seen["told"] == expected, seen["kind"]
        assert seen["gaps"] == 0, seen["kind"]


def test_an_emulated_command_reaches_the_worker_that_has_the_stream(
    house: House, visited: Page
) -> None:
    """Each goes by a request of its own, to whichever worker takes it."""
    house.put("yard", "one")
    for transport in ("http_stream", "sse"):
        visited.evaluate(LISTEN_BY_SDK, ["yard", transport])
    until_subscribed(visited)
    asked = """async () => {
        const answers = [];
        for (let n = 0; n < 10; n++) {
            answers.push(...await Promise.all(clients.map(({ history }) => history())));
        }
        return answers.map(({ offset }) => offset);
    }"""
    assert visited.evaluate(asked) == [1] * 20


STATE = """([dock, pause]) => {
    const live = module.connect();
    const seen = { kind: "state", shown: [], told: [], live };
    setTimeout(() => {
        live.state(`crates:${dock}`, {
            snapshot: async (signal) => (await fetch(`/api/crates/${dock}`, { signal })).json(),
            show(snapshot) {
                seen.shown.push(snapshot);
                seen.told = [];
            },
            publication: ({ offset, data }) => seen.told.push([offset, data.label]),
            status: (status) => seen.status = [status],
        });
    }, pause);
    clients.push(seen);
}"""
CUT = "dispatchEvent(new Event('offline')), dispatchEvent(new Event('online'))"


def test_a_snapshot_and_what_follows_it_are_everything_once(house: House, visited: Page) -> None:
    """Snapshots are read and connections are cut while somebody writes."""
    with house.writing("pier") as confirmed:
        until(lambda: len(confirmed) > 5)
        for pause in range(0, 400, 50):
            visited.evaluate(STATE, ["pier", pause])
        until_subscribed(visited)
        for _ in range(10):
            visited.evaluate(CUT)
            visited.wait_for_timeout(20)
        count = len(confirmed)
        until(lambda: len(confirmed) > count + 5)
    labels = house.watch.told("pier")
    top = len(labels)
    reached = "clients.every(({ told, shown }) => (told.at(-1)?.[0] ?? shown[0].offset) >= %d)"
    until_so(visited, reached % top)
    for seen in visited.evaluate("clients.map(({ shown, told }) => ({ shown, told }))"):
        (snapshot,) = seen["shown"]
        start = snapshot["offset"]
        assert set(snapshot["labels"]) == set(labels[:start])
        assert seen["told"] == [[n, labels[n - 1]] for n in range(start + 1, top + 1)]


def test_a_state_whose_history_is_gone_is_read_anew(house: House, visited: Page) -> None:
    house.put("quay", "one")
    visited.clock.install()
    visited.evaluate(STATE, ["quay", 0])
    until_subscribed(visited)
    visited.clock.pause_at(visited.evaluate("Date.now()") + 1_000)
    visited.evaluate("dispatchEvent(new Event('offline'))")
    for label in ("two", "three"):
        house.put("quay", label)
    house.ask("history_remove", channel="crates:quay")
    visited.clock.resume()
    until_so(visited, "clients[0].shown.length === 2")
    until_subscribed(visited)
    house.put("quay", "four")
    until_told(visited, 4)
    seen = visited.evaluate("({ shown: clients[0].shown, told: clients[0].told })")
    assert [each["offset"] for each in seen["shown"]] == [1, 3]
    assert sorted(seen["shown"][1]["labels"]) == ["one", "three", "two"]
    assert seen["told"] == [[4, "four"]]


def test_a_session_that_is_revoked_ends_a_page_for_good(
    house: House, context: BrowserContext, visited: Page
) -> None:
    api = f"{house.server.url}/api/auth"
    login = {"username": "boss", "password": PASSWORD}
    assert context.request.post(f"{api}/login", data=login).status == 200
    for _ in range(4):  # at whichever worker; the logout is taken by one of them
        visited.evaluate(LISTEN, "gate")
    until_subscribed(visited)
    sockets: list[str] = []
    visited.on("websocket", lambda socket: sockets.append(socket.url))
    assert context.request.post(f"{api}/logout").status == 204
    until_so(visited, "clients.every(({ connection }) => connection[0] === 'ended')")
    ended = "clients.map(({ connection, status }) => [...connection, ...status])"
    assert visited.evaluate(ended) == [["ended", 3500, "ended", 3500]] * 4
    visited.evaluate("dispatchEvent(new Event('online'))")
    visited.evaluate("clients.splice(0)")
    visited.evaluate(LISTEN, "gate")  # another visitor, whom the page tells from the first
    until_subscribed(visited)
    assert len(sockets) == 1


def test_a_page_of_an_allowed_origin_imports_the_module_and_connects(
    house: House, page: Page
) -> None:
    page.goto(house.neighbour)
    page.evaluate(MODULE.replace("/static", f"{house.server.url}/static"))
    page.evaluate(LISTEN, "next")
    until_subscribed(page)
    house.put("next", "one")
    until_told(page, 1)


def test_the_module_is_kept_under_the_name_with_its_hash_alone(house: House) -> None:
    name = "/static/trivet_realtime/live.js"
    text = house.http.get(name)
    hashed = name.replace(".js", f".{hashlib.sha256(text.content).hexdigest()[:12]}.js")
    assert text.headers["cache-control"] == "public, no-cache"
    again = house.http.get(name, headers={"if-none-match": text.headers["etag"]})
    assert again.status_code == 304
    kept = house.http.get(hashed)
    assert kept.content == text.content
    assert kept.headers["cache-control"] == "public, max-age=31536000, immutable"
    for answer in (text, kept):
        assert answer.headers["content-type"].startswith("text/javascript")
