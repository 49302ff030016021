"""The pages that docs/realtime.md shows, in a real browser: they do what the document says."""

import shutil
from pathlib import Path

import httpx2
import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.departures.house import Desk, add_flights
from tests.deploy.watched_pages import SDK, until
from tests.documents import read_blocks
from tests.services.people import PASSWORD, make_key, make_user
from tests.services.server import Server, StartServer

DOCUMENT = Path(__file__).parents[2] / "docs" / "realtime.md"


pytestmark = pytest.mark.once


@pytest.fixture
def server(
    start_server: StartServer,
    fresh_database_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Server:
    """A server with the feature that the document writes, and flights from JFK."""
    for block in read_blocks(DOCUMENT):
        if block.marker == "file":
            path = tmp_path / block.argument
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.text, encoding="utf-8")
    shutil.copy(SDK, tmp_path / "chat" / "pages")
    desk = Desk(fresh_database_url)
    with desk.unit() as db:
        add_flights(db, 2)
    desk.engine.dispose()
    make_user(fresh_database_url, "ada", "--superuser")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return start_server(database_url=fresh_database_url, features="departures,chat")


def test_the_pages_of_the_document_show_what_happens(
    server: Server, fresh_database_url: str, context: BrowserContext, page: Page
) -> None:
    pages = f"{server.url}/chat/pages"
    login = {"username": "ada", "password": PASSWORD}
    assert context.request.post(f"{server.url}/api/auth/login", data=login).status == 200
    page.goto(f"{pages}/den.html")
    typing = context.new_page()
    typing.goto(f"{pages}/typing.html")
    # Both pages may still be connecting, and this kind of publication is for who is there.
    for _ in range(60):
        typing.fill("#text", "hello")
        typing.fill("#text", "")
        if page.locator("#seen li").count():
            break
        page.wait_for_timeout(500)
    expect(page.locator("#seen")).to_contain_text("Somebody types 5 letters.")

    page.evaluate("import('./flights.js')")
    expect(page).to_have_title("JFK, subscribed")
    key = make_key(fresh_database_url, "ada")
    answer = httpx2.post(
        f"{server.url}/api/departures/flights/1/gate",
        json={"gate": "A1"},
        headers={"authorization": f"Bearer {key}"},
        timeout=60,
    )
    assert answer.status_code == 200, answer.text
    gate = "import('./flights.js').then(({ flights }) => flights.get(1).gate)"
    until(lambda: page.evaluate(gate) == "A1")
    assert context.request.post(f"{server.url}/api/auth/logout").status == 204
    expect(page).to_have_title("JFK, 3500 credential revoked")
