"""The root's own pages: the way in, and what a browser is shown where a program reads a problem."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route, Router
from starlette.testclient import TestClient

from tests.platform.bare import ORIGIN, bare_platform, bare_root, client_of, mounted
from trivet.asgi.accept import preferred_form
from trivet.asgi.mount import PageLink
from trivet.asgi.root import build_root
from trivet.errors import ConfigurationError, Conflict
from trivet.features import Feature
from trivet.identity.policy import staff

pytestmark = pytest.mark.anyio

BROWSER = {"accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}
PROGRAM = {"accept": "application/json"}


async def conflict(_request: Request) -> Response:
    raise Conflict("taken", "Someone <sits> there.")


async def own_problem(_request: Request) -> Response:
    """A mounted app may mean something else by the media type."""
    return JSONResponse([1, 2], 418, media_type="application/problem+json")


async def greet(_request: Request) -> Response:
    return PlainTextResponse("hello")


APP = Router([Route("/conflict", conflict), Route("/odd", own_problem), Route("/", greet)])
LINKS = [
    PageLink("Ledger & co", "/", "Every book."),
    PageLink("The vault", "/vault", policy=staff),
    PageLink("Live prices", "/live", "For programs.", is_page=False),
]


@pytest.mark.parametrize(
    ("accept", "form"),
    [
        (BROWSER["accept"], "html"),
        ("application/json", "json"),
        ("application/problem+json, text/html;q=0.9", "json"),
        ("application/json;q=0.2, text/html", "html"),
        ("application/json, text/plain, */*", "json"),
        ("text/html;q=0", None),
        ("text/html;q=nonsense", None),
        ("TEXT/HTML", "html"),
        ("*/*", None),
        ("text/csv", None),
        (None, None),
    ],
)
def test_the_form_that_a_client_names_first_is_preferred(
    accept: str | None, form: str | None
) -> None:
    headers = [] if accept is None else [(b"accept", accept.encode())]
    assert preferred_form({"headers": headers}) == form


async def test_the_first_page_lists_what_is_mounted_and_may_be_opened(tmp_path: Path) -> None:
    root = bare_root(tmp_path, [mounted(APP, "/books", links=LINKS)], name="Quill & Ink")
    async with client_of(root, root_path="/outer") as client:
        answer = await client.get("/outer/", headers=BROWSER)
    assert answer.status_code == 200
    assert "<h1>Quill &amp; Ink</h1>" in answer.text
    assert '<a href="/outer/books/"><b>Ledger &amp; co</b>' in answer.text
    assert "Live prices" in answer.text
    assert 'href="/outer/books/live"' not in answer.text, "no page, and no link"
    assert "The vault" not in answer.text, "not for a visitor whom nobody knows"


async def test_nothing_of_the_first_page_needs_an_exception_of_the_policy(tmp_path: Path) -> None:
    root = bare_root(tmp_path, [mounted(APP, "/books", links=LINKS)])
    async with client_of(root) as client:
        answer = await client.get("/", headers=BROWSER)
        assert "style=" not in answer.text
        assert "<style" not in answer.text
        assert "<script" not in answer.text
        assert "default-src 'self'" in answer.headers["content-security-policy"]
        for name in ("page.css", "icon.svg"):
            stem, _, suffix = name.partition(".")
            found = re.search(rf"/static/trivet/{stem}\.[0-9a-f]{{12}}\.{suffix}", answer.text)
            assert found
            assert (await client.get(found[0])).status_code == 200


@pytest.mark.parametrize(("accept", "status"), [(PROGRAM, 404), (BROWSER, 200), ({}, 200)])
async def test_a_program_that_names_json_finds_nothing_at_the_root(
    tmp_path: Path, accept: dict[str, str], status: int
) -> None:
    async with client_of(bare_root(tmp_path, [])) as client:
        answer = await client.get("/", headers=accept)
    assert answer.status_code == status
    assert "Accept" in answer.headers["vary"]
    if status == 404:
        assert answer.json()["code"] == "no-such-page"


async def test_a_site_with_a_page_of_its_own_sends_its_visitors_there(tmp_path: Path) -> None:
    root = bare_root(tmp_path, [], home="/books/")
    async with client_of(root, root_path="/outer") as client:
        answer = await client.get("/outer/", headers=BROWSER)
    assert answer.headers["location"] == "/outer/books/"


async def test_the_logo_of_the_settings_is_on_every_page(tmp_path: Path) -> None:
    root = bare_root(tmp_path, [], logo="/books/quill.svg")
    async with client_of(root, root_path="/outer") as client:
        for path in ("/outer/", "/outer/nowhere"):
            answer = await client.get(path, headers=BROWSER)
            assert answer.text.count("/outer/books/quill.svg") == 2  # in the tab, and in the head


async def test_browsers_find_the_icon_that_they_ask_for(tmp_path: Path) -> None:
    async with client_of(bare_root(tmp_path, [])) as client:
        answer = await client.get("/favicon.ico")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "image/vnd.microsoft.icon"
    assert answer.content[:4] == b"\0\0\1\0"


@pytest.mark.parametrize(
    ("path", "status", "sentence"),
    [
        ("/nowhere", 404, "There is nothing at /nowhere."),
        ("/<b>", 404, "There is nothing at /&lt;b&gt;."),
        ("/app/conflict", 409, "Someone &lt;sits&gt; there."),
    ],
)
async def test_a_browser_is_shown_a_page_where_a_program_reads_a_problem(
    tmp_path: Path, path: str, status: int, sentence: str
) -> None:
    async with client_of(bare_root(tmp_path, [mounted(APP)])) as client:
        shown = await client.get(path, headers=BROWSER)
        read = await client.get(path, headers=PROGRAM)
        whatever = await client.get(path)
    assert (shown.status_code, read.status_code) == (status, status)
    assert shown.headers["content-type"] == "text/html; charset=utf-8"
    assert sentence in shown.text
    assert shown.headers["x-request-id"] in shown.text
    assert f"<code>{read.json()['code']}</code>" in shown.text
    assert '<a class="back" href="/">' in shown.text
    assert int(shown.headers["content-length"]) == len(shown.content)
    for answer in (read, whatever):
        assert answer.headers["content-type"] == "application/problem+json"


async def test_what_an_error_asks_for_in_its_headers_stays(tmp_path: Path) -> None:
    async with client_of(bare_root(tmp_path, [mounted(APP)])) as client:
        answer = await client.post("/healthz", headers=BROWSER)
    assert answer.status_code == 405
    assert "GET" in answer.headers["allow"]


async def test_a_document_that_is_no_problem_of_ours_passes_as_it_is(tmp_path: Path) -> None:
    async with client_of(bare_root(tmp_path, [mounted(APP)])) as client:
        answer = await client.get("/app/odd", headers=BROWSER)
    assert answer.status_code == 418
    assert answer.json() == [1, 2]


WEB = """
from starlette.responses import PlainTextResponse
from trivet.web import page, public, requires

async def greet(request):
    return PlainTextResponse("hello")

routes = [page({path!r}, greet, policy={policy})]
"""


@pytest.fixture
def feature(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Feature]:
    """A feature with one page, at the path and with the policy that the test names."""
    path, policy = request.param
    name = f"ledgers_{len(path)}_{policy[:6]}"
    package = tmp_path / name
    package.mkdir()
    (package / "__init__.py").write_text('"""Books & balances.\n\nMore."""\n')
    (package / "web.py").write_text(WEB.format(path=path, policy=policy))
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(tmp_path)
        yield Feature(name, name)


@pytest.mark.parametrize(
    ("feature", "is_listed"),
    [
        (("/", "public"), True),
        (("/", "requires('ledgers.view_ledger')"), False),
        (("/one", "public"), False),
    ],
    indirect=["feature"],
)
def test_the_first_page_of_a_feature_is_listed_with_the_packages_docstring(
    tmp_path: Path, feature: Feature, is_listed: bool
) -> None:
    root = build_root(bare_platform(tmp_path, features=(feature,)), [])
    answer = TestClient(root, base_url=ORIGIN).get("/", headers=BROWSER)
    assert ("<span>Books &amp; balances.</span>" in answer.text) is is_listed


def test_no_app_takes_the_place_of_the_icon(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"both claim /favicon\.ico"):
        bare_root(tmp_path, [mounted(APP, "/favicon.ico")])
