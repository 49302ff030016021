"""One identity: whoever logs in anywhere is known everywhere, until trust ends."""

import asyncio
import re
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
from sqlalchemy import Connection, event, text

from tests.admin.deeds import COOKIE, me, rename, with_connections
from tests.admin.house import PASSWORD, House, Visitor, build_house, make_settings
from trivet.features import Feature
from trivet.identity import Revocation
from trivet.identity.keys import issue_key
from trivet_admin.credentials import credential_id
from trivet_admin.sessions import SessionSource

pytestmark = pytest.mark.anyio


async def log_in_at_the_door(visitor: Visitor, username: str, password: str = PASSWORD) -> int:
    given = {"username": username, "password": password}
    return (await visitor.http.post("/door/login", json=given)).status_code


@pytest.fixture
async def forgetful(
    stock: tuple[Feature, ...], shelves: None, database_url: str
) -> AsyncIterator[House]:
    """A house that remembers no identity."""
    house = await asyncio.to_thread(
        build_house, make_settings(database_url, identity_cache_seconds=0), stock
    )
    yield house
    await house.platform.database.close()


class TestLogin:
    async def test_the_admins_login_is_known_to_other_rooms(self, house: House) -> None:
        async with house.visit("clerk") as clerk:
            found = await me(clerk)
        assert found["username"] == "clerk"
        assert found["kind"] == "session"
        assert found["permissions"] == [
            "stock.change_item",
            "stock.view_category",
            "stock.view_item",
        ]
        assert found["credential"].startswith("session_")

    async def test_another_rooms_login_opens_the_admin(self, house: House) -> None:
        async with house.client() as visitor:
            assert await log_in_at_the_door(visitor, "boss") == 200
            page = await visitor.get("/admin/")
        assert "Welcome, boss" in page.words

    async def test_both_logins_write_the_same_session_and_last_login(self, house: House) -> None:
        async with house.visit("boss"), house.client() as visitor:
            await log_in_at_the_door(visitor, "clerk")
        query = "SELECT username FROM accounts_user WHERE last_login IS NOT NULL ORDER BY id"
        assert await house.rows(query) == [("boss",), ("clerk",)]
        data = [d for (d,) in await house.rows("SELECT session_data FROM django_session")]
        from django.contrib.sessions.backends.db import SessionStore

        keys = [set(SessionStore().decode(each)) for each in data]
        assert keys[0] == keys[1] == {"_auth_user_id", "_auth_user_backend", "_auth_user_hash"}

    @pytest.mark.parametrize(
        ("username", "password"),
        [("clerk", "wrong"), ("nobody", PASSWORD), ("asleep", PASSWORD), ("clerk", "")],
    )
    async def test_a_wrong_login_opens_nothing(
        self, house: House, username: str, password: str
    ) -> None:
        await asyncio.to_thread(_make_sleeper)
        async with house.client() as visitor:
            assert await log_in_at_the_door(visitor, username, password) == 401
            assert (await me(visitor))["kind"] == "anonymous"
            page = await visitor.log_in(username, password)
            assert page.status == 200
            assert COOKIE not in visitor.http.cookies

    async def test_a_session_gets_a_new_key_at_login_and_the_old_one_is_revoked(
        self, house: House, revoked: list[Revocation]
    ) -> None:
        async with house.client() as visitor:
            keys = []
            for username in ("clerk", "clerk", "boss"):
                await log_in_at_the_door(visitor, username)
                keys.append(visitor.http.cookies[COOKIE])
        assert keys[0] == keys[1] != keys[2]  # as Django has it: one session goes on
        assert await house.value("SELECT count(*) FROM django_session") == 1
        told = [revocation.credential_id for revocation in revoked]
        assert told == [credential_id(keys[0])]

    async def test_a_password_is_stored_as_argon2id_with_our_parameters(self, house: House) -> None:
        stored = await house.value("SELECT password FROM accounts_user WHERE username = 'boss'")
        assert stored.startswith("argon2$argon2id$v=19$m=19456,t=2,p=1$")


class TestSessions:
    @pytest.mark.parametrize(
        "statement",
        [
            "UPDATE accounts_user SET is_active = false WHERE username = 'clerk'",
            "UPDATE accounts_user SET password = 'x' WHERE username = 'clerk'",
            "UPDATE django_session SET expire_date = '2001-01-01 00:00:00'",
            "UPDATE django_session SET session_data = 'forged'",
            "DELETE FROM django_session",
            "DELETE FROM accounts_user WHERE username = 'clerk'",
        ],
    )
    async def test_a_session_that_is_no_longer_right_is_nobodys(
        self, forgetful: House, statement: str
    ) -> None:
        """Written behind the application's back: seen once nothing is remembered."""
        house = forgetful
        async with house.visit("clerk") as clerk:
            assert (await me(clerk))["username"] == "clerk"
            async with house.platform.database.engine.begin() as connection:
                await connection.run_sync(_execute, statement)
            assert (await me(clerk))["kind"] == "anonymous"
            assert (await clerk.get("/admin/")).status == 302

    async def test_establishing_an_identity_takes_two_or_three_queries_and_then_none(
        self, house: House
    ) -> None:
        counts = {}
        for username in ("boss", "clerk"):
            async with house.visit(username) as visitor:
                with _statements(house) as seen:
                    await me(visitor)
                    first = len(seen)
                    await me(visitor)
                counts[username] = (first, len(seen) - first)
        assert counts == {"boss": (2, 0), "clerk": (3, 0)}

    async def test_django_makes_no_query_of_its_own_for_identity(self, house: House) -> None:
        async with house.visit("clerk") as clerk:
            with _django_statements() as seen:
                page = await clerk.get("/admin/password_change/")
        assert page.status == 200
        assert "clerk" in page.words
        # What the session holds is read where it is asked for (here: for messages), always anew.
        assert [sql for sql in seen if "django_session" not in sql] == []
        assert len(seen) <= 1

    async def test_without_the_platform_around_it_django_finds_its_users_itself(
        self, house: House
    ) -> None:
        page = await asyncio.to_thread(_visit_with_djangos_own_client)
        assert "Welcome, boss" in " ".join(page.split())

    async def test_a_request_without_a_cookie_costs_no_query(self, house: House) -> None:
        async with house.client() as visitor:
            with _statements(house) as seen:
                await me(visitor)
        assert seen == []


class TestKeys:
    async def test_whoever_comes_with_a_key_is_nobody_in_the_admin(self, house: House) -> None:
        secret = await _issue(house, "boss")
        async with house.client(authorization=f"Bearer {secret}") as visitor:
            page = await visitor.get("/admin/")
        assert page.status in (302, 401)

    async def test_a_key_and_a_cookie_together_are_not_the_cookies_owner(
        self, house: House
    ) -> None:
        secret = await _issue(house, "guest")
        async with house.visit("boss") as boss:
            boss.http.headers["authorization"] = f"Bearer {secret}"
            page = await boss.get("/admin/")
        # Without the API's mount nobody reads keys here, so the cookie decides; with it, 302.
        assert page.status in (200, 302)


class TestUsers:
    async def test_an_email_address_belongs_to_one_user(self, house: House) -> None:
        async with house.visit() as boss:
            page = await boss.edit(
                "/admin/accounts/user/add/",
                username="double",
                email="clerk@example.org",
                password1=PASSWORD,
                password2=PASSWORD,
            )
        assert page.status == 200
        assert "A user with that email address already exists." in page.words

    async def test_a_user_is_added_with_an_address_and_a_password(self, house: House) -> None:
        async with house.visit() as boss:
            page = await boss.edit(
                "/admin/accounts/user/add/",
                username="new",
                email="new@example.org",
                password1=PASSWORD,
                password2=PASSWORD,
            )
            assert page.status == 302, page.words
        async with house.client() as visitor:
            assert await log_in_at_the_door(visitor, "new") == 200


class TestRememberedIdentities:
    """What is remembered is who somebody is; what a session holds is always read."""

    async def test_what_another_request_put_into_the_session_is_there(self, house: House) -> None:
        def seen(request: Any) -> Any:
            from django.http import HttpResponse

            return HttpResponse(str(request.session.get("seen")))

        with _view_added("seen/", seen):
            async with house.visit("clerk") as clerk:
                told = [(await clerk.get("/admin/stock/item/seen/")).text]
                for number in (1, 2):
                    await asyncio.to_thread(with_connections, partial(_put, clerk, "seen", number))
                    told.append((await clerk.get("/admin/stock/item/seen/")).text)
        assert told == ["None", "1", "2"]

    async def test_a_request_that_saves_its_session_keeps_what_others_put_there(
        self, house: House
    ) -> None:
        async with house.visit("clerk") as clerk:
            await me(clerk)
            await asyncio.to_thread(with_connections, lambda: _put(clerk, "basket", [1, 2]))
            page = await clerk.edit(
                "/admin/password_change/",
                old_password=PASSWORD,
                new_password1="another horse battery staple",
                new_password2="another horse battery staple",
            )
            assert page.status == 302, page.words
            assert (await asyncio.to_thread(_session_of, clerk))["basket"] == [1, 2]

    async def test_a_users_new_name_is_shown_at_once(self, house: House) -> None:
        async with house.visit("clerk") as clerk:
            await clerk.get("/admin/")
            await asyncio.to_thread(with_connections, rename)
            assert "Clara" in (await clerk.get("/admin/")).words

    async def test_requests_do_not_share_a_user(self, house: House) -> None:
        async with house.visit("clerk") as clerk:
            await me(clerk)
        source = SessionSource("key", {"id": 1, "username": "clerk"}, frozenset({"a.b"}))
        one, other = source.make_user(), source.make_user()
        one.username = "changed"
        one._perm_cache.add("a.c")
        assert (other.username, other._perm_cache) == ("clerk", {"a.b"})

    async def test_an_admin_view_is_for_staff_unless_it_is_listed(self, house: House) -> None:
        def careless(_request: Any) -> Any:
            from django.http import HttpResponse

            return HttpResponse("for everybody?")

        with _view_added("careless/", careless):
            async with house.client() as nobody, house.visit("guest") as guest:
                for visitor in (nobody, guest):
                    page = await visitor.get("/admin/stock/item/careless/")
                    assert page.status == 302
            async with house.visit("clerk") as clerk:
                page = await clerk.get("/admin/stock/item/careless/")
                assert page.text == "for everybody?"


@contextmanager
def _view_added(route: str, view: Any) -> Iterator[None]:
    """A view below /admin/stock/item/ that no `admin_view` wraps."""
    from django.contrib import admin
    from django.urls import clear_url_caches, path

    kind = type(next(a for m, a in admin.site._registry.items() if m.__name__ == "Item"))
    own = kind.get_urls
    kind.get_urls = lambda self: [path(route, view), *own(self)]  # type: ignore[method-assign]  # as a feature would, only later
    sys.modules.pop("trivet_admin.urls", None)
    clear_url_caches()
    try:
        yield
    finally:
        kind.get_urls = own  # type: ignore[method-assign]  # as above


def _put(visitor: Visitor, name: str, value: Any) -> None:
    """Write into the session of `visitor`, as another request would."""
    from trivet_admin.session_store import SessionStore

    store = SessionStore(visitor.http.cookies[COOKIE])
    store[name] = value
    store.save()


def _session_of(visitor: Visitor) -> dict[str, Any]:
    from django.db import connections

    from trivet_admin.session_store import SessionStore

    try:
        return dict(SessionStore(visitor.http.cookies[COOKIE]).items())
    finally:
        connections.close_all()


@contextmanager
def _statements(house: House) -> Iterator[list[str]]:
    """What the platform's engine executes meanwhile."""
    seen: list[str] = []
    engine = house.platform.database.engine.sync_engine

    def note(*given: Any) -> None:
        if not given[2].startswith("BEGIN"):
            seen.append(given[2])

    event.listen(engine, "before_cursor_execute", note)
    yield seen
    event.remove(engine, "before_cursor_execute", note)


@contextmanager
def _django_statements() -> Iterator[list[str]]:
    """What Django executes meanwhile, in whatever thread."""
    from django.db.backends.signals import connection_created

    seen: list[str] = []

    def listen(connection: Any, **_: Any) -> None:
        connection.execute_wrappers.append(note)

    def note(execute: Any, sql: str, *given: Any) -> Any:
        if "SELECT" in sql:
            seen.append(sql)
        return execute(sql, *given)

    connection_created.connect(listen)
    yield seen
    connection_created.disconnect(listen)


def _execute(connection: Connection, statement: str) -> None:
    if statement.startswith("DELETE FROM accounts_user"):
        connection.execute(text("DELETE FROM accounts_user_user_permissions"))
    connection.execute(text(statement))


def _visit_with_djangos_own_client() -> str:
    from django.db import connections
    from django.test import Client

    client = Client()
    assert client.login(username="boss", password=PASSWORD)
    page = client.get("/", SCRIPT_NAME="/admin").content.decode()
    connections.close_all()
    return re.sub(r"<[^>]+>", " ", page).replace(" ,", ",")


def _make_sleeper() -> None:
    from django.contrib.auth import get_user_model
    from django.db import connections

    users: Any = get_user_model().objects
    users.create_user("asleep", "asleep@example.org", PASSWORD, is_active=False)
    connections.close_all()


async def _issue(house: House, username: str) -> str:
    query = "SELECT id FROM accounts_user WHERE username = :name"
    owner = await house.value(query, name=username)
    expires = datetime.now(UTC) + timedelta(days=1)
    async with house.platform.database.unit() as session:
        _, secret = await session.run_sync(
            lambda db: issue_key(db, owner_id=owner, label="test", expires_at=expires)
        )
    return secret
