"""Chromium from an npm package, driven without a window by Playwright.

Playwright's own browsers cannot be had from PyPI, so it is shown the one that `chromium.mjs`
unpacks. That one brings its fonts and libraries along: a machine without either will do, and
text looks alike on all of them (Open Sans only; no monospaced face and no symbols beyond it).

The fixtures drive Playwright's synchronous side, which keeps an event loop of its own in a
greenlet of the thread: use them in plain tests, not in async ones.
"""

import http.server
import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from tests.services.node import run_node

ARGUMENTS = [
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-domain-reliability",
    "--host-resolver-rules=MAP *.test 127.0.0.1",  # other sites (RFC 6761 reserves the name)
]


@contextmanager
def serving_page(html: str) -> Iterator[int]:
    """Somebody else's server, with one page at every address; gives its port."""

    class OnePage(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("content-type", "text/html; charset=utf-8")
            self.end_headers()
            self.wfile.write(html.encode())

        def log_message(self, *args: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), OnePage) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


@contextmanager
def running_browser() -> Iterator[Browser]:
    """A browser for the block."""
    parts = json.loads(run_node("chromium.mjs", seconds=120))
    variables = {"FONTCONFIG_FILE": parts["fonts"], "LD_LIBRARY_PATH": parts["libraries"]}
    expect.set_options(timeout=30_000)  # in milliseconds; what is expected is there at once
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=parts["executable"],
            args=ARGUMENTS,
            env={**os.environ, **variables},
            chromium_sandbox=False,  # it refuses to start as root otherwise, and CI is root
        )
        try:
            yield browser
        finally:
            browser.close()


@pytest.fixture
def browser() -> Iterator[Browser]:
    """A browser of this test alone. It starts in half a second."""
    # One a test and not one a run: while Playwright's synchronous side is open, the thread has a
    # running event loop, and every async test after it would refuse to start. A module without
    # async tests may override it, for all of them (autouse), by `module_browser`.
    with running_browser() as browser:
        yield browser


@pytest.fixture(scope="module")
def module_browser() -> Iterator[Browser]:
    """A browser that the tests of a module share, none of which is async."""
    with running_browser() as browser:
        yield browser


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    """A fresh profile: no cookie, no storage, no cache."""
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    yield context
    context.close()


@pytest.fixture
def page(context: BrowserContext, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Page]:
    """A page. What its console said, and a screenshot, are there when the test fails."""
    page = context.new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(f"{message.type}: {message.text}"))
    page.on("pageerror", lambda error: said.append(f"error: {error}"))
    yield page
    picture = tmp_path / "page.png"
    page.screenshot(path=picture)
    print("--- the page's console ---", *said, f"screenshot: {picture}", sep="\n")  # noqa: T201
