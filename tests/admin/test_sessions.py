"""What a session is worth: somebody until trust ends, for a few queries once and then none."""

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, event, text

from tests.admin.grant_changes import me
from tests.admin.house import PASSWORD, House, build_house, make_settings
from trivet.features import Feature
from trivet.identity.keys import issue_key

pytestmark = pytest.mark.anyio


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


async def _issue(house: House, username: str) -> str:
    query = "SELECT id FROM accounts_user WHERE username = :name"
    owner = await house.value(query, name=username)
    expires = datetime.now(UTC) + timedelta(days=1)
    async with house.platform.database.unit() as session:
        _, secret = await session.run_sync(
            lambda db: issue_key(db, owner_id=owner, label="test", expires_at=expires)
        )
    return secret
