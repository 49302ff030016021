"""The board in a real browser: it turns by itself, and comes back after an outage."""

from collections.abc import Callable
from pathlib import Path

import httpx2
import pytest
from playwright.sync_api import BrowserContext, Locator, Page, ViewportSize, expect

from tests.departures.house import Desk, add_flights
from tests.services.people import PASSWORD, People
from tests.services.server import Server, StartServer

DESKTOP: ViewportSize = {"width": 1440, "height": 900}
PHONE: ViewportSize = {"width": 390, "height": 844}
LIST = "/admin/departures/flight/"


@pytest.fixture
def fresh_database_url(peopled_database_url: str) -> str:
    """In this module, also the desk's database has people."""
    return peopled_database_url


@pytest.fixture
def key(desk: Desk, people: People) -> str:
    """A key of the user `chief`, who may do everything, on a database with twelve flights."""
    with desk.unit() as db:
        add_flights(db, 12)
    return people.keys["chief"]


@pytest.fixture
def served(key: str, fresh_database_url: str, start_server: StartServer) -> Server:
    return start_server(database_url=fresh_database_url)


@pytest.fixture
def assign(served: Server, key: str) -> Callable[[int, str], None]:
    """Assigns a gate through the API, as another client would."""

    def assign(flight: int, gate: str) -> None:
        answer = httpx2.post(
            f"{served.url}/api/departures/flights/{flight}/gate",
            json={"gate": gate},
            headers={"authorization": f"Bearer {key}"},
            timeout=60,
        )
        assert answer.status_code == 200, answer.text

    return assign


def open_board(page: Page, served: Server) -> None:
    page.goto(f"{served.url}/departures/JFK")
    expect(page.locator("#state")).to_have_text("Live")
    expect(page.locator("#rows tr")).to_have_count(12)


def cell(page: Page, flight: int, name: str) -> Locator:
    return page.locator(f"tr[data-flight=B6{flight}] .{name}")


def shown(page: Page, flight: int, name: str) -> Locator:
    """What the tiles of a cell show, for the eye."""
    return cell(page, flight, name).locator("[aria-hidden]")


def log_in(page: Page, served: Server) -> None:
    page.goto(f"{served.url}/admin/")
    page.fill("#id_username", "chief")
    page.fill("#id_password", PASSWORD)
    page.click("input[type=submit]")


def test_a_gate_changed_in_the_admin_turns_the_board(
    context: BrowserContext, page: Page, served: Server
) -> None:
    open_board(page, served)
    page.evaluate("window.neverReloaded = true")
    expect(shown(page, 3, "gate")).to_have_text("")

    admin = context.new_page()
    log_in(admin, served)
    admin.goto(f"{served.url}{LIST}")
    admin.fill("#id_form-2-gate", "C17")
    admin.click("input[name=_save]")
    expect(admin.locator(".messagelist")).to_contain_text("1 flight was changed")

    expect(shown(page, 3, "gate")).to_have_text("C17")
    expect(page.locator("#announcements")).to_contain_text("B6 3 to Boston: now at gate C17.")
    assert page.evaluate("window.neverReloaded")


def test_flights_cancelled_in_the_admin_are_cancelled_on_the_board(
    context: BrowserContext, page: Page, served: Server
) -> None:
    open_board(page, served)

    admin = context.new_page()
    log_in(admin, served)
    admin.goto(f"{served.url}{LIST}?q=B6+1")
    admin.check("#action-toggle")
    admin.select_option("select[name=action]", "cancel_flights")
    admin.click("button[name=index]")
    expect(admin.locator(".messagelist")).to_contain_text("4 cancelled.")

    for flight in (1, 10, 11, 12):  # a number is found by its beginning
        expect(cell(page, flight, "status")).to_contain_text("Cancelled")
    expect(cell(page, 2, "status")).to_contain_text("On time")


def test_what_happened_during_an_outage_is_there_after_it(
    context: BrowserContext, page: Page, served: Server, assign: Callable[[int, str], None]
) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    open_board(page, served)

    context.set_offline(True)
    expect(page.locator("#state")).to_have_text("Offline")
    assign(3, "A1")
    assign(3, "A2")
    assign(4, "A3")
    expect(shown(page, 3, "gate")).to_have_text("")
    context.set_offline(False)

    expect(page.locator("#state")).to_have_text("Live")
    expect(shown(page, 3, "gate")).to_have_text("A2")
    expect(shown(page, 4, "gate")).to_have_text("A3")
    # The channel's history was enough: nobody had to ask for everything again.
    assert sum("/board/" in url for url in asked) == 1


@pytest.mark.once
def test_everything_that_a_passenger_needs_is_on_the_screen(
    page: Page, served: Server, assign: Callable[[int, str], None], tmp_path: Path
) -> None:
    assign(1, "B22")
    for name, viewport in (("desktop", DESKTOP), ("phone", PHONE)):
        page.set_viewport_size(viewport)
        open_board(page, served)
        page.screenshot(path=tmp_path / f"{name}.png")
        require_legible(page, viewport["width"])


def require_legible(page: Page, width: int) -> None:
    """The first line is on the screen whole, and nothing reaches beyond its sides."""
    assert page.evaluate("document.documentElement.scrollWidth") == width
    for name in ("time", "destination", "flight", "gate", "status"):
        tiles = shown(page, 1, name)
        expect(tiles).to_be_visible()
        box = tiles.bounding_box()
        assert box is not None
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= width
    # The board stands in New York, whatever the reader's clock says.
    expect(shown(page, 1, "time")).to_have_text("07:00")
    expect(shown(page, 1, "destination")).to_have_text("BOSTON")
    expect(cell(page, 1, "gate")).to_contain_text("B22")


@pytest.mark.once
def test_nothing_flutters_for_who_asked_for_stillness(
    page: Page, served: Server, assign: Callable[[int, str], None]
) -> None:
    page.emulate_media(reduced_motion="reduce")
    open_board(page, served)
    page.evaluate(
        """() => {
            window.seen = [];
            const tiles = document.querySelector("tr[data-flight=B61] .gate [aria-hidden]");
            new MutationObserver(() => window.seen.push(tiles.textContent))
                .observe(tiles, { subtree: true, childList: true });
        }"""
    )

    assign(1, "Z9")

    expect(shown(page, 1, "gate")).to_have_text("Z9")
    assert page.evaluate("window.seen") == ["Z9"]
    assert page.evaluate("document.getAnimations().length") == 0
