"""Every page in a real browser, in both colour schemes, on a desktop and on a phone: one reads it.

What "one reads it" means is in `legibility.js`: a contrast of 4.5 everywhere (WCAG 2.2, 1.4.3),
nothing cut off, labels at their fields, no sideways scrolling. Which pages there are is asked of
`trivet routes`, so that a page of tomorrow is read too.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import httpx2
import pytest
from playwright.sync_api import Browser, Page, expect

from departures.models import Movement, MovementKind
from tests.departures.house import MORNING, Desk, add_flights
from tests.services.databases import Databases, environment, run_trivet
from tests.services.people import PASSWORD, People
from tests.services.server import Server, StartServer

pytestmark = pytest.mark.database("sqlite")  # what a page looks like is no matter of the database

LEGIBILITY = (Path(__file__).parent / "legibility.js").read_text(encoding="utf-8")
CONTRAST = 4.5
DESKTOP, PHONE = 1280, 390
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")

FEATURES = "departures,tests.deploy.wreck"
BRAND = {"name": "Harbour & Sons", "logo": "/departures/static/departures.svg"}

NO_PAGES = re.compile(
    r"/(healthz|readyz|favicon\.ico|static/\*)|.*/static/\*|"
    r"/admin/(autocomplete|jsi18n|logout)/|/admin/r/.*|"
    r"/api/(?!docs$).*|/ws.*|"
    r".*<trivet_key:object_id>/"  # moves to …/change/
)
"""Addresses that give no page of their own: files, documents, moves."""

OBJECTS = {
    "aircraft": "N304JB",
    "airline": "B6",
    "airport": "JFK",
}
"""A key of each model that has rows, where it is not 1."""

BESIDES = (
    "/nowhere",
    "/wreck/broken",
    "/admin/departures/flight/?status__exact=scheduled&q=B6&_facets=True",
    "/admin/departures/flight/?q=nothing+like+this",
    "/admin/departures/flight/?scheduled_departure__year=2013&scheduled_departure__month=2",
    "/admin/departures/airport/add/?_popup=1",
    "/admin/trivet/auditentry/?kind=update&q=chief",
    "/departures/XXX",
    "/admin/trivet/connection/?user=nobody+of+this+name",
    "/admin/trivet/connection/?user=chief&channel=departures:*",
    "/admin/trivet/connection/gone/",
)
"""What a route has besides its plain address."""


class Reader:
    """Looks at a page in every scheme and width, and collects what cannot be read."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.url = url
        self.faults: list[str] = []
        self.read_pages = 0

    def open(self, path: str) -> None:
        self.page.goto(self.url + path)
        self.read(path)

    def read(self, name: str) -> None:
        self.read_pages += 1
        for width in (PHONE, DESKTOP):  # the wide one last, for whatever is clicked afterwards
            self.page.set_viewport_size({"width": width, "height": 800})
            for scheme in SCHEMES:
                self.page.emulate_media(color_scheme=scheme)
                found = self.page.evaluate(LEGIBILITY, {"contrast": CONTRAST})
                self.faults += [f"{name} ({scheme}, {width}): {fault}" for fault in found]
        self.page.emulate_media(color_scheme="light")


@pytest.fixture(scope="module")
def server(start_shared_server: StartServer, databases: Databases, people: People) -> Server:
    """A server with people, flights, and pages that break."""
    url = databases.copy(people.database_url)
    desk = Desk(url)
    with desk.unit() as db:
        (first, *_) = add_flights(db, 60)
        kind = MovementKind.DELAY
        db.add(
            Movement(sender="x", reference="1", kind=kind, minutes=9, flight_id=first, at=MORNING)
        )
    desk.engine.dispose()
    return start_shared_server(database_url=url, features=FEATURES, **BRAND)


@pytest.fixture
def reader(server: Server, browser: Browser) -> Iterator[Reader]:
    """A reader to whom nobody has shown anything yet. What its browser refuses to load fails."""
    page = browser.new_context().new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(f"a script failed: {error}"))
    yield Reader(page, server.url)
    assert [text for text in said if "Security Policy" in text or "script failed" in text] == []


def log_in(page: Page, server: Server, username: str) -> None:
    page.goto(f"{server.url}/admin/login/?next=/admin/")
    page.fill("#id_username", username)
    page.fill("#id_password", PASSWORD)
    page.click("input[type=submit]")


@pytest.fixture(scope="module")
def paths(people: People) -> list[str]:
    """An address of every page that `trivet routes` knows."""
    env = environment(people.database_url, features=FEATURES)
    routes = json.loads(run_trivet("routes", "--json", env=env).stdout)
    paths = [route["path"] for route in routes if "GET" in route["methods"]]
    return [_fill(path) for path in paths if not NO_PAGES.fullmatch(path)]


def _fill(path: str) -> str:
    path = path.replace("<app_label>", "departures").replace("<url>", "nowhere")
    path = path.replace("{airport}", "JFK")
    model = path.split("/")[3] if path.startswith("/admin/") and path.count("/") > 3 else ""
    return re.sub(r"<\w*:?\w+>", OBJECTS.get(model, "1"), path)


@pytest.mark.once
def test_every_page_can_be_read(reader: Reader, server: Server, paths: list[str]) -> None:
    page = reader.page
    read_before_login(reader, server)
    log_in(page, server, "chief")
    make_what_lists_show(page, server)
    connection = connect(page, server)
    for path in dict.fromkeys([*paths, *BESIDES]):
        reader.open(with_entry(page, server, path).replace(CONNECTION, connection))
    read_docs(reader)
    read_forms(reader, server)
    read_as_staff(reader, server)
    assert not reader.faults, "\n".join(reader.faults)
    assert reader.read_pages > 70


def read_before_login(reader: Reader, server: Server) -> None:
    page = reader.page
    reader.open("/")
    reader.open("/admin/login/")
    log_in(page, server, "nobody")
    expect(page.locator(".errornote")).to_contain_text("correct username and password")
    reader.read("a wrong password")
    log_in(page, server, "bob")
    expect(page.locator(".errornote")).to_contain_text("not for staff")
    reader.read("a right password, not of staff")


def make_what_lists_show(page: Page, server: Server) -> None:
    """A group, and an entry of the trail that a change in the list made."""
    page.goto(f"{server.url}/admin/auth/group/add/")
    page.fill("#id_name", "Gate agents")
    page.click("input[name=_save]")
    page.goto(f"{server.url}/admin/departures/flight/")
    page.fill("#id_form-2-gate", "C17")
    page.click("input[name=_save]")


CONNECTION = "/admin/trivet/connection/1/"


def connect(page: Page, server: Server) -> str:
    """The address of a live connection, of a board that stays open beside the page."""
    page.context.new_page().goto(f"{server.url}/departures/JFK")
    link = page.locator(".live td[data-label=Connection] a").first
    while not link.count():
        page.goto(f"{server.url}/admin/trivet/connection/?channel=departures:*")
    expect(page.locator("#content")).to_contain_text("departures:JFK")
    found = link.get_attribute("href")
    assert found is not None
    return found


def with_entry(page: Page, server: Server, path: str) -> str:
    """`path`, about an entry of the trail that exists: their keys are no plain numbers."""
    if not path.startswith("/admin/trivet/auditentry/1/"):
        return path
    page.goto(f"{server.url}/admin/trivet/auditentry/")
    link = page.locator("#result_list .field-when a").first.get_attribute("href") or ""
    return path.replace("/1/", f"/{link.split('/')[4]}/")


def read_docs(reader: Reader) -> None:
    """Swagger UI is there once its script has drawn it; an operation is unfolded too."""
    page = reader.page
    page.goto(f"{reader.url}/api/docs")
    for kind in ("get", "patch", "post"):
        page.locator(f".opblock-{kind} .opblock-summary").first.click()
        expect(page.locator(f".opblock-{kind} .opblock-body").first).to_be_visible()
    page.locator(".btn.authorize").first.click()
    expect(page.locator(".dialog-ux")).to_contain_text("Bearer")
    # A page cannot set the session's cookie: it is not asked for.
    expect(page.locator(".dialog-ux")).not_to_contain_text("cookie")
    reader.read("the documentation of the API, unfolded")


def read_forms(reader: Reader, server: Server) -> None:
    page = reader.page
    page.goto(f"{server.url}/admin/departures/flight/1/change/")
    page.fill("#id_gate", "nowhere")
    page.fill("#id_scheduled_departure_0", "someday")
    page.click("input[name=_save]")
    expect(page.locator(".errorlist").first).to_be_visible()
    reader.read("a form with faults")

    page.goto(f"{server.url}/admin/departures/flight/")
    page.check("#action-toggle")
    reader.read("a list with everything selected")
    page.select_option("select[name=action]", "delete_selected")
    page.click("button[name=index]")
    reader.read("the deletion of a selection")

    page.goto(f"{server.url}/admin/departures/flight/")
    page.fill("#id_form-3-gate", "D4")
    page.click("input[name=_save]")
    expect(page.locator(".messagelist")).to_be_visible()
    reader.read("a list with a message")

    page.goto(f"{server.url}/admin/trivet/apikey/add/")
    page.fill("#id_label", "The tower")
    page.click(".field-owner .select2-selection")
    page.fill(".select2-search__field", "bob")
    page.locator(".select2-results__option--highlighted", has_text="bob").click()
    page.click("input[name=_save]")
    expect(page.locator("#made-key")).to_contain_text("tvt_")
    reader.read("a key that was made")

    page.click("#logout-form button")
    expect(page.locator("#content")).to_contain_text("Log in again")
    reader.read("logged out")


def read_as_staff(reader: Reader, server: Server) -> None:
    """Ada is staff and may do nothing: what is missing is named, to ask for."""
    page = reader.page
    log_in(page, server, "ada")
    reader.read("an overview with nothing on it")
    page.goto(f"{server.url}/admin/departures/flight/")
    expect(page.locator("#content")).to_contain_text("departures.view_flight (Can view flight)")
    reader.read("a page that needs a permission")


@pytest.mark.once
def test_a_list_shows_all_of_its_columns_on_a_desktop(
    reader: Reader, server: Server, paths: list[str]
) -> None:
    page = reader.page
    log_in(page, server, "chief")
    make_what_lists_show(page, server)
    page.set_viewport_size({"width": DESKTOP, "height": 800})
    lists = [path for path in paths if re.fullmatch(r"/admin/\w+/\w+/", path)]
    assert len(lists) > 8
    hidden = []
    for path in lists:
        page.goto(server.url + path)
        results = page.locator("#changelist .results")
        if results.count() and results.evaluate("each => each.scrollWidth > each.clientWidth"):
            hidden.append(path)
    assert hidden == []


LINES = """
cell => {
  const texts = document.createTreeWalker(cell, NodeFilter.SHOW_TEXT);
  const range = document.createRange();
  const lines = new Map();
  for (let text = texts.nextNode(); text; text = texts.nextNode()) {
    [...text.data].forEach((letter, place) => {
      range.setStart(text, place);
      range.setEnd(text, place + 1);
      const { top } = range.getBoundingClientRect();
      lines.set(top, (lines.get(top) ?? "") + letter);
    });
  }
  return [...lines.values()].map(line => line.trim());
}
"""
"""The lines of an element's text, as they stand on the screen."""


@pytest.mark.once
def test_a_key_stands_whole_in_the_list_of_the_trail(
    reader: Reader, server: Server, people: People
) -> None:
    page = reader.page
    key = people.keys["chief"]
    headers = {"authorization": f"Bearer {key}"}
    address = f"{server.url}/api/departures/movements"
    report = {"kind": "delay", "flight": 1, "at": MORNING.isoformat(), "minutes": 9}
    for each in range(9):  # enough values that every column is as narrow as it may be
        sent = httpx2.post(address, headers=headers, json={**report, "id": f"late-{each}"})
        assert sent.is_success, sent.text
    log_in(page, server, "chief")
    page.set_viewport_size({"width": DESKTOP, "height": 800})
    page.goto(f"{server.url}/admin/trivet/auditentry/?origin=api")
    lines = page.locator("#result_list .field-who").first.evaluate(LINES)
    name = "_".join(key.split("_")[:2])  # what is behind it is the secret
    assert lines[-1].endswith(f"{name})")


@pytest.mark.once
def test_on_a_phone_what_belongs_together_stands_in_one_line(
    server: Server, browser: Browser
) -> None:
    page = browser.new_context(viewport={"width": PHONE, "height": 800}).new_page()
    log_in(page, server, "chief")
    page.goto(f"{server.url}/admin/departures/flight/1/change/")
    chooser = page.locator(".related-widget-wrapper").first
    heights = chooser.evaluate(
        "each => [...each.querySelectorAll('.related-widget-wrapper-link')]"
        ".filter(link => link.offsetParent).map(link => link.getBoundingClientRect().top)"
    )
    assert len(heights) > 2
    assert max(heights) - min(heights) < 8
    links, scheme = (
        page.locator(each).bounding_box() for each in ("#logout-form", "#user-tools .theme-toggle")
    )
    assert links is not None
    assert scheme is not None
    assert scheme["y"] < links["y"], "the button of the scheme has no line of its own"


def test_the_button_beside_a_key_copies_it(server: Server, browser: Browser) -> None:
    context = browser.new_context(permissions=["clipboard-read", "clipboard-write"])
    page = context.new_page()
    log_in(page, server, "chief")
    page.goto(f"{server.url}/admin/trivet/apikey/add/")
    page.fill("#id_label", "The tower")
    page.click(".field-owner .select2-selection")
    page.fill(".select2-search__field", "bob")
    page.locator(".select2-results__option--highlighted", has_text="bob").click()
    page.click("input[name=_save]")
    page.click("[data-copy]")
    expect(page.locator("[data-copy]")).to_have_text("Copied")
    assert page.evaluate("navigator.clipboard.readText()") == page.inner_text("#made-key")


def test_a_filter_that_searches_is_used_by_keys_alone(reader: Reader, server: Server) -> None:
    page = reader.page
    log_in(page, server, "chief")
    page.goto(f"{server.url}/admin/departures/movement/?q=1")
    page.focus("#changelist-filter .select2-selection")
    page.keyboard.press("Enter")
    page.keyboard.type("B6")
    page.locator(".select2-results__option--highlighted", has_text="B6").wait_for()
    reader.read("a filter while somebody searches")
    with page.expect_navigation():
        page.keyboard.press("Enter")
    assert re.search(r"/\?(?=.*\bq=1\b)(?=.*\bflight__id__exact=\d+)", page.url)
    expect(page.locator("#changelist-filter .select2-selection")).to_contain_text("B6")
    page.focus("#changelist-filter input[type=text]")
    page.keyboard.type("nobody")
    with page.expect_navigation():
        page.keyboard.press("Enter")
    assert "sender__icontains=nobody" in page.url
    assert "flight__id__exact=" in page.url
    expect(page.locator(".paginator")).to_contain_text("0 movements")
    with page.expect_navigation():
        page.click("#changelist-filter .select2-selection__clear")
    assert "flight__id__exact" not in page.url
    assert reader.faults == []


@pytest.mark.once
def test_pages_of_a_developer_keep_their_style_and_send_nothing_anywhere(
    server: Server, start_server: StartServer, databases: Databases, people: People, page: Page
) -> None:
    url = databases.copy(people.database_url)
    debug = start_server(database_url=url, features=FEATURES, debug="true")
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    log_in(page, debug, "chief")
    for path in ("/admin/departures/airline/", "/admin/nowhere/", "/wreck/broken"):
        response = page.goto(debug.url + path)
        assert response is not None
        assert "form-action 'none'" in response.headers["content-security-policy"]
        # A style that the policy refused has no sheet.
        styles = page.evaluate("[...document.querySelectorAll('style')].map(each => !!each.sheet)")
        assert styles, path
        assert all(styles), path
    page.goto(f"{debug.url}/admin/departures/airline/")
    page.click("text=Switch to copy-and-paste view")
    expect(page.locator("#pastebinTraceback")).to_be_visible()
    assert [text for text in said if "Content Security Policy" in text] == []
    page.goto(f"{debug.url}/admin/")
    assert page.evaluate(
        "fetch('/admin/').then(r => r.headers.get('content-security-policy'))"
    ) == (page.evaluate("fetch('/').then(r => r.headers.get('content-security-policy'))"))
