"""The pages: a list of airports, a board for each, and nothing from elsewhere."""

import mimetypes
import re
from collections.abc import AsyncIterator

import httpx2
import pytest

from departures import web
from tests.departures.house import Desk, add_flights
from tests.platform.bare import ORIGIN, NoAccounts, client_of
from tests.services.databases import SECRET_KEY
from trivet.asgi.root import Root, build_root
from trivet.features import load_features
from trivet.platform import open_platform
from trivet_settings import load_settings

pytestmark = pytest.mark.anyio


@pytest.fixture
def root(desk: Desk, fresh_database_url: str) -> Root:
    """The pages alone, with flights from JFK."""
    mimetypes.init()  # reads files at the first use, which a server's first page may wait for
    with desk.unit() as db:
        add_flights(db, 1)
    settings = load_settings(
        env_file=None,
        secret_key=SECRET_KEY,
        public_url=ORIGIN,
        database_url=fresh_database_url,
        features=("departures",),
    )
    platform = open_platform(settings, load_features(settings.features), accounts=NoAccounts())
    return build_root(platform, [])


@pytest.fixture
async def client(root: Root) -> AsyncIterator[httpx2.AsyncClient]:
    async with client_of(root) as client:
        yield client
    await root.platform.database.close()


async def test_the_airports_with_departures_are_offered(client: httpx2.AsyncClient) -> None:
    page = await client.get("/departures/")

    assert page.status_code == 200
    assert '<a href="JFK">' in page.text
    assert "BOS" not in page.text


async def test_a_board_names_its_airport(client: httpx2.AsyncClient) -> None:
    page = await client.get("/departures/JFK")

    assert page.status_code == 200
    assert 'data-airport="JFK"' in page.text
    assert "John F Kennedy Intl" in page.text


async def test_an_airport_in_small_letters_is_found(client: httpx2.AsyncClient) -> None:
    page = await client.get("/departures/jfk")

    assert (page.status_code, page.headers["location"]) == (307, "JFK")


@pytest.mark.parametrize("path", ["BOS", "XXX", "JFKX", "%3Cscript%3E"])
async def test_an_airport_without_a_board_offers_the_others(
    client: httpx2.AsyncClient, path: str
) -> None:
    page = await client.get(f"/departures/{path}")

    assert page.status_code == 404
    assert "There is no departure board here." in page.text
    assert '<a href="JFK">' in page.text
    assert "<script>" not in page.text


@pytest.mark.parametrize("path", ["/departures/", "/departures/JFK"])
async def test_a_page_is_whole_without_anything_inline_or_from_elsewhere(
    client: httpx2.AsyncClient, path: str
) -> None:
    """So it works under the content security policy, and below any prefix of a proxy."""
    page = await client.get(path)

    assert "default-src 'self'" in page.headers["content-security-policy"]
    assert not re.search(r"<script(?![^>]*src=)|<style|\sstyle=|\son\w+=", page.text)
    links = re.findall(r'(?:src|href)="([^"]*)"', page.text)
    assert links
    assert not [link for link in links if link.startswith("/") or ":" in link]
    for link in links:
        found = await client.get(f"/departures/{link}", follow_redirects=True)
        assert found.status_code == 200, link


def test_the_scripts_and_styles_load_nothing_from_elsewhere() -> None:
    for path in web.STATIC.iterdir():
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"https?://(?!www\.w3\.org/)|@import|url\(", text), path.name


async def test_a_page_works_below_a_prefix(root: Root) -> None:
    async with client_of(root, root_path="/outer") as client:
        page = await client.get("/outer/departures/JFK")
        style = await client.get("/outer/departures/static/board.css")

    assert page.status_code == style.status_code == 200
    await root.platform.database.close()
