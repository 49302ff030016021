"""The mount: bounds, prefix, static files, routes, readiness, configuration."""

import asyncio
import re
import threading
from typing import Any

import pytest
from django.http import HttpResponse
from django.urls import URLPattern, path, re_path
from starlette.types import Message, Receive, Scope, Send

import trivet_admin
from tests.admin.house import House, make_settings
from trivet.errors import ConfigurationError
from trivet.features import Feature, load_features
from trivet_admin import configuration
from trivet_admin.capacity import CapacityLimiter
from trivet_admin.configuration import configure
from trivet_admin.mount import BoundedApp, find_pending, list_routes, path_in_words
from trivet_admin.mount import mount as mount_admin
from trivet_admin.site.policy import words_of

pytestmark = pytest.mark.anyio


class Inside:
    """An app that counts who is in it, and reads what it is sent."""

    def __init__(self) -> None:
        self.now = self.most = 0
        self.bodies: list[bytes] = []

    async def __call__(self, _scope: Scope, receive: Receive, _send: Send) -> None:
        self.now += 1
        self.most = max(self.most, self.now)
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message["body"], message.get("more_body", False)
        await asyncio.sleep(0)
        self.bodies.append(body)
        self.now -= 1


async def nowhere(_message: Message) -> None: ...


async def test_requests_beyond_the_bound_wait_their_turn() -> None:
    async def receive() -> Message:
        return {"type": "http.request", "body": b"x"}

    inside = Inside()
    bounded = BoundedApp(inside, CapacityLimiter(3))
    await asyncio.gather(*(bounded({"type": "http"}, receive, nowhere) for _ in range(20)))
    assert (inside.now, inside.most, len(inside.bodies)) == (0, 3, 20)


async def test_a_slow_sender_holds_no_turn_and_its_body_arrives_whole() -> None:
    parts: asyncio.Queue[Message] = asyncio.Queue()

    async def quick() -> Message:
        return {"type": "http.request", "body": b"quick"}

    inside = Inside()
    bounded = BoundedApp(inside, CapacityLimiter(1))
    slow = asyncio.create_task(bounded({"type": "http"}, parts.get, nowhere))
    parts.put_nowait({"type": "http.request", "body": b"sl", "more_body": True})
    await bounded({"type": "http"}, quick, nowhere)
    parts.put_nowait({"type": "http.request", "body": b"ow"})
    await slow
    assert inside.bodies == [b"quick", b"slow"]


async def test_threads_are_kept_for_the_next_request(house: House) -> None:
    async with house.visit() as boss:
        await boss.get("/admin/")
        before = _threads_of_django()
        for _ in range(5):
            await boss.get("/admin/")
    assert 1 <= _threads_of_django() == before


def _threads_of_django() -> int:
    names = [thread.name for thread in threading.enumerate()]
    return len([name for name in names if name.startswith("django")])


async def test_a_lifespan_is_answered_as_django_does(house: House) -> None:
    app = (await asyncio.to_thread(mount_admin, house.platform)).app
    with pytest.raises(ValueError, match="Django can only handle ASGI/HTTP"):
        await app({"type": "lifespan"}, None, None)  # type: ignore[arg-type]  # never called


async def test_links_carry_the_prefix_and_an_outer_one(house: House) -> None:
    async with house.visit() as boss:
        page = await boss.get("/admin/")
    assert 'href="/admin/stock/item/"' in page.text


async def test_the_admins_files_are_served_at_the_root(house: House) -> None:
    async with house.client() as visitor:
        page = await visitor.get("/admin/login/")
        for stem in ("trivet_admin/trivet", "admin/css/base"):
            [path] = re.findall(rf'"(/static/{stem}\.[0-9a-f]{{12}}\.css)"', page.text)
            assert (await visitor.get(path)).status == 200


async def test_a_host_that_is_not_ours_is_refused(house: House) -> None:
    async with house.client(host="evil.example") as visitor:
        page = await visitor.get("/admin/login/")
    assert page.status == 400


async def test_the_admin_is_ready_when_its_migrations_are_applied(house: House) -> None:
    assert await find_pending() == ""
    async with house.platform.database.unit() as session:
        await session.run_sync(_forget_a_migration)
    assert await find_pending() == "run 'trivet migrate'"


def _forget_a_migration(session: Any) -> None:
    from sqlalchemy import text

    session.connection().execute(text("DELETE FROM django_migrations WHERE app = 'sessions'"))


@pytest.mark.usefixtures("stock")
def test_routes_are_listed_with_the_prefix_and_who_may_use_them() -> None:
    routes = {route.name: route for route in list_routes()}
    assert routes["admin:login"].path == "/admin/login/"
    assert routes["admin:login"].policy == "public"
    assert routes["admin:stock_item_changelist"].path == "/admin/stock/item/"
    words = routes["admin:stock_item_changelist"].policy
    assert words == "staff + stock.view_item or stock.change_item"


@pytest.mark.usefixtures("stock")
def test_a_page_whose_name_looks_like_a_models_asks_for_no_permission_of_nothing() -> None:
    assert words_of("admin:stock_item_simple_history") == "staff"


@pytest.mark.usefixtures("stock")
def test_routes_read_as_paths_also_where_django_has_a_regex() -> None:
    paths = {route.path for route in list_routes()}
    assert {"/admin/<app_label>/", "/admin/<url>"} <= paths
    assert not [each for each in paths if set(each) & set("^$?|*\\")]


@pytest.mark.parametrize(
    ("written", "read"),
    [
        (path("polls/<int:pk>/", HttpResponse), "polls/<int:pk>/"),
        (re_path(r"^polls/(?P<year>[0-9]{4})/$", HttpResponse), "polls/<year>/"),
        (re_path(r"^feed\.(?P<format>rss|atom)$", HttpResponse), "feed.<format>"),
        (re_path(r"^(\w+)/?$", HttpResponse), "<var>/"),
        (re_path(r"^$", HttpResponse), ""),
    ],
)
def test_a_pattern_reads_as_a_path(written: URLPattern, read: str) -> None:
    assert path_in_words(written.pattern) == read


class TestConfiguration:
    def project(self, **settings: Any) -> dict[str, Any]:
        url = settings.pop("database_url", "sqlite:////nowhere/trivet.sqlite3")
        given = make_settings(url, **{"features": ()} | settings)
        return configuration.project(given, ())

    @pytest.mark.parametrize(
        ("public_url", "hosts", "origins", "secure"),
        [
            (
                "https://board.example.org",
                ["board.example.org"],
                ["https://board.example.org"],
                True,
            ),
            (
                "http://localhost:8000",
                ["localhost", "127.0.0.1", "[::1]", "testserver"],
                ["http://localhost:8000", "http://127.0.0.1:8000", "http://[::1]:8000"],
                False,
            ),
        ],
    )
    def test_hosts_origins_and_cookies_follow_the_public_address(
        self, public_url: str, hosts: list[str], origins: list[str], secure: bool
    ) -> None:
        projected = self.project(public_url=public_url)
        assert projected["ALLOWED_HOSTS"] == hosts
        assert projected["CSRF_TRUSTED_ORIGINS"] == origins
        assert projected["SESSION_COOKIE_SECURE"] is secure
        assert projected["CSRF_COOKIE_SECURE"] is secure

    def test_the_prefix_is_never_forced(self) -> None:
        assert "FORCE_SCRIPT_NAME" not in self.project()

    def test_postgresql_gets_a_bounded_pool_and_keeps_no_connection(self) -> None:
        url = "postgresql://us%20er:pass%40word@db.example:5433/trivet?sslmode=require"
        database = self.project(database_url=url, django_threads=5)["DATABASES"]["default"]
        assert database["USER"] == "us er"
        assert database["PASSWORD"] == "pass@word"
        assert (database["HOST"], database["PORT"]) == ("db.example", "5433")
        assert database["CONN_MAX_AGE"] == 0
        assert database["OPTIONS"]["sslmode"] == "require"
        pool = database["OPTIONS"]["pool"]
        assert pool["max_size"] == 5 + configuration.LOGIN_THREADS

    def test_sqlite_takes_the_write_lock_at_once_and_converts_nothing(self) -> None:
        options = self.project()["DATABASES"]["default"]["OPTIONS"]
        assert options["transaction_mode"] == "IMMEDIATE"
        assert options["detect_types"] == 0
        assert "journal_mode=WAL" in options["init_command"]

    def test_configuring_again_alike_does_nothing(
        self, stock: tuple[Feature, ...], database_url: str
    ) -> None:
        configure(make_settings(database_url), stock)

    def test_configuring_otherwise_is_an_error_that_says_what_differs(
        self, stock: tuple[Feature, ...], database_url: str
    ) -> None:
        settings = make_settings(database_url, public_url="https://other.example")
        with pytest.raises(ConfigurationError, match="ALLOWED_HOSTS"):
            configure(settings, stock)
        with pytest.raises(ConfigurationError, match="INSTALLED_APPS"):
            configure(make_settings(database_url), load_features(()))

    @pytest.mark.usefixtures("stock")  # which configures Django
    def test_names_that_need_django_are_found_lazily(self) -> None:
        assert trivet_admin.ModelAdmin.__name__ == "ModelAdmin"
        with pytest.raises(AttributeError, match="no attribute 'nothing'"):
            trivet_admin.nothing  # noqa: B018  # that is the point
