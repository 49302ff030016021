"""Pages of another origin and of another site, in a real browser whose user is logged in here."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import BrowserContext, Page, Response

from tests.services.browser import serving_page
from tests.services.databases import Databases
from tests.services.people import PASSWORD, make_user
from tests.services.server import Server, StartServer

SESSION = "trivet_session_"
NEIGHBOUR = "127.0.0.1"
"""Another port of ours is another origin of the same site: the browser sends our cookies along."""
STRANGER = "elsewhere.test"
"""The browser is told that this is here, too (tests/services/browser.py)."""


# What a browser sends, and the root refuses, depends on no database: once is enough.
pytestmark = pytest.mark.database("sqlite")


@pytest.fixture(scope="module")
def server(start_shared_server: StartServer, databases: Databases) -> Server:
    """A server with a user who has the password of all tests."""
    url = databases.create()
    make_user(url, "chief", "--superuser")
    return start_shared_server(database_url=url)


@pytest.fixture
def visited(server: Server, context: BrowserContext) -> Server:
    """The server, on which the browser's user is logged in."""
    log_in(server, context)
    return server


def log_in(server: Server, context: BrowserContext) -> None:
    body = {"username": "chief", "password": PASSWORD}
    assert context.request.post(f"{server.url}/api/auth/login", data=body).status == 200


@pytest.fixture
def evil_port() -> Iterator[int]:
    """Where somebody else serves a page, for a script to do its worst."""
    with serving_page("<!doctype html><title>Nice kittens</title><body>") as port:
        yield port


FORM = """url => {
    const form = document.createElement("form");
    form.method = "post";
    form.action = url;
    document.body.append(form);
    form.submit();
}"""
FETCH = """url => fetch(url, { method: "POST", mode: "no-cors", credentials: "include" })
    .then(response => response.type)"""
SOCKET = """url => new Promise(resolve => {
    const socket = new WebSocket(url);
    socket.onopen = () => resolve("open");
    socket.onclose = event => resolve(event.code);
})"""
LOGOUTS = ("/api/auth/logout", "/admin/logout/")
"""What a stranger could do to a visitor without knowing anything."""


def submit(page: Page, url: str) -> Response:
    with page.expect_response(url) as caught:
        page.evaluate(FORM, url)
    page.wait_for_load_state()
    return caught.value


def is_refused_at_the_root(answer: Response) -> bool:
    return answer.status == 403 and "<code>cross-site</code>" in answer.text()


def is_logged_in(context: BrowserContext, server: Server) -> bool:
    return context.request.get(f"{server.url}/api/auth/me").status == 200


def test_a_page_of_another_origin_can_do_nothing_in_a_visitors_name(
    context: BrowserContext, page: Page, visited: Server, evil_port: int
) -> None:
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    for host in (NEIGHBOUR, STRANGER):
        evil = f"http://{host}:{evil_port}/"
        for path in LOGOUTS:
            page.goto(evil)
            with page.expect_response(visited.url + path) as caught:
                assert page.evaluate(FETCH, visited.url + path) == "opaque"
            assert caught.value.status == 403, (host, path)
            answer = submit(page, visited.url + path)
            assert is_refused_at_the_root(answer), (host, path)
            has_cookie = SESSION in answer.request.all_headers().get("cookie", "")
            assert has_cookie is (host == NEIGHBOUR), (host, path)
        assert is_logged_in(context, visited)

    page.goto(f"http://{NEIGHBOUR}:{evil_port}/")
    assert page.evaluate(SOCKET, visited.url.replace("http", "ws") + "/ws") == 1006
    assert any("Unexpected response code: 403" in text for text in said), said


def test_our_own_page_can(context: BrowserContext, page: Page, visited: Server) -> None:
    page.goto(f"{visited.url}/departures/")
    assert page.evaluate(SOCKET, visited.url.replace("http", "ws") + "/ws") == "open"
    page.goto(f"{visited.url}/admin/")
    page.click("#logout-form button")
    page.wait_for_load_state()
    assert not is_logged_in(context, visited)

    log_in(visited, context)
    page.goto(f"{visited.url}/departures/")
    assert is_logged_in(context, visited)
    answer = submit(page, f"{visited.url}/api/auth/logout")
    assert answer.status == 204
    assert not is_logged_in(context, visited)


READ = """([url, key]) => fetch(url, {
    method: "POST",
    headers: { "content-type": "application/json", ...(key && { authorization: `Bearer ${key}` }) },
    credentials: key ? "omit" : "include",
    body: "{}",
}).then(async response => [response.status, (await response.json()).code ?? ""])
    .catch(error => [0, error.name])"""
ME_READ = """url => fetch(url, { credentials: "include" })
    .then(response => response.status).catch(() => 0)"""


def test_a_page_of_a_named_origin_reads_what_it_is_answered(
    context: BrowserContext,
    page: Page,
    start_server: StartServer,
    databases: Databases,
    evil_port: int,
) -> None:
    """A development server at another port needs one line. What it reads are refusals, too."""
    url = databases.create()
    make_user(url, "chief", "--superuser")
    neighbour, stranger = (f"http://{host}:{evil_port}" for host in (NEIGHBOUR, STRANGER))
    server = start_server(
        database_url=url, allowed_origins=stranger, trusted_origins=neighbour, features="departures"
    )
    log_in(server, context)
    movements = f"{server.url}/api/departures/movements"
    socket = server.url.replace("http", "ws") + "/ws"

    page.goto(f"{neighbour}/")
    assert page.evaluate(ME_READ, f"{server.url}/api/auth/me") == 200
    assert page.evaluate(READ, [movements, ""])[0] == 422
    assert page.evaluate(SOCKET, socket) == "open"

    page.goto(f"{stranger}/")
    assert page.evaluate(ME_READ, f"{server.url}/api/auth/me") == 0
    assert page.evaluate(READ, [movements, "tvt_no_such_key"])[0] == 401
    assert page.evaluate(SOCKET, socket) == "open"
