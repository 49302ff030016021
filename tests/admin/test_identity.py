"""One identity: whoever logs in anywhere is known everywhere, until trust ends."""

import asyncio
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import event

from tests.admin.house import PASSWORD, House, Visitor
from trivet.identity import Revocation
from trivet.identity.keys import issue_key
from trivet_admin.credentials import credential_id

pytestmark = pytest.mark.anyio

COOKIE = "trivet_session"


async def me(visitor: Visitor, **headers: str) -> dict[str, Any]:
    found: dict[str, Any] = (await visitor.http.get("/door/me", headers=headers)).json()
    return found


async def log_in_at_the_door(visitor: Visitor, username: str, password: str = PASSWORD) -> int:
    given = {"username": username, "password": password}
    return (await visitor.http.post("/door/login", json=given)).status_code


@pytest.fixture
def revoked(built_house: House) -> Iterator[list[Revocation]]:
    told: list[Revocation] = []
    leave = built_house.platform.revocations.subscribe(told.append)
    yield told
    leave()


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
        self, house: House, statement: str
    ) -> None:
        async with house.visit("clerk") as clerk:
            assert (await me(clerk))["username"] == "clerk"
            async with house.platform.database.unit() as session:
                await session.run_sync(_execute, statement)
            assert (await me(clerk))["kind"] == "anonymous"
            assert (await clerk.get("/admin/")).status == 302

    async def test_establishing_an_identity_takes_two_or_three_queries(self, house: House) -> None:
        counts = {}
        for username in ("boss", "clerk"):
            async with house.visit(username) as visitor:
                with _statements(house) as seen:
                    await me(visitor)
                counts[username] = len(seen)
        assert counts == {"boss": 2, "clerk": 3}

    async def test_django_makes_no_query_of_its_own_for_identity(self, house: House) -> None:
        async with house.visit("clerk") as clerk:
            with _django_statements() as seen:
                page = await clerk.get("/admin/password_change/")
        assert page.status == 200
        assert "clerk" in page.words
        assert seen == []

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


class TestRevocation:
    """What ends trust is told once it is committed, so that sockets close."""

    async def user_id(self, house: House, username: str) -> int:
        query = "SELECT id FROM accounts_user WHERE username = :name"
        found: int = await house.value(query, name=username)
        return found

    async def test_logout_in_the_admin_ends_the_session_everywhere(
        self, house: House, revoked: list[Revocation]
    ) -> None:
        async with house.visit("clerk") as clerk:
            credential = (await me(clerk))["credential"]
            cookie = clerk.http.cookies[COOKIE]
            page = await clerk.get("/admin/")
            token = clerk.http.cookies["csrftoken"]
            response = await clerk.http.post("/admin/logout/", data={"csrfmiddlewaretoken": token})
            assert response.status_code == 200, page.status
            clerk.http.cookies.set(COOKIE, cookie)
            assert (await me(clerk))["kind"] == "anonymous"
        assert revoked == [Revocation(credential_id=credential)]

    async def test_logout_at_another_room_ends_the_session_everywhere(
        self, house: House, revoked: list[Revocation]
    ) -> None:
        async with house.visit("clerk") as clerk:
            credential = (await me(clerk))["credential"]
            assert (await clerk.http.post("/door/logout")).status_code == 204
            assert (await me(clerk))["kind"] == "anonymous"
            assert (await clerk.get("/admin/")).status == 302
        assert revoked == [Revocation(credential_id=credential)]
        assert await house.value("SELECT count(*) FROM django_session") == 0

    async def test_logout_without_a_session_is_no_error(self, house: House) -> None:
        async with house.client() as visitor:
            assert (await visitor.http.post("/door/logout")).status_code == 204
            visitor.http.cookies.set(COOKIE, "unknown")
            assert (await visitor.http.post("/door/logout")).status_code == 204

    async def test_a_disabled_user_is_revoked(
        self, house: House, revoked: list[Revocation]
    ) -> None:
        clerk = await self.user_id(house, "clerk")
        async with house.visit() as boss:
            path = f"/admin/accounts/user/{clerk}/change/"
            page = await boss.edit(path, is_active=None)
        assert page.status == 302, page.words
        assert Revocation(user_id=clerk) in revoked

    async def test_a_changed_password_is_revoked_and_its_own_session_goes_on(
        self, house: House, revoked: list[Revocation]
    ) -> None:
        new = "another horse battery staple"
        async with house.visit("clerk") as clerk, house.visit("clerk") as elsewhere:
            page = await clerk.edit(
                "/admin/password_change/",
                old_password=PASSWORD,
                new_password1=new,
                new_password2=new,
            )
            assert page.status == 302, page.words
            assert (await me(clerk))["username"] == "clerk"
            assert (await me(elsewhere))["kind"] == "anonymous"
        assert Revocation(user_id=await self.user_id(house, "clerk")) in revoked

    async def test_a_group_that_gains_a_permission_revokes_its_members(
        self, house: House, revoked: list[Revocation]
    ) -> None:
        clerk = await self.user_id(house, "clerk")
        await asyncio.to_thread(_join_and_grant, clerk)
        assert revoked == [Revocation(user_id=clerk)] * 3

    async def test_a_deleted_user_is_revoked(self, house: House, revoked: list[Revocation]) -> None:
        guest = await self.user_id(house, "guest")
        async with house.visit() as boss:
            await boss.edit(f"/admin/accounts/user/{guest}/delete/")
        assert Revocation(user_id=guest) in revoked

    async def test_logging_in_revokes_nothing(
        self, house: House, revoked: list[Revocation]
    ) -> None:
        async with house.visit("clerk"):
            pass
        assert revoked == []


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


def _execute(session: Any, statement: str) -> None:
    from sqlalchemy import text

    if statement.startswith("DELETE FROM accounts_user"):
        session.connection().execute(text("DELETE FROM accounts_user_user_permissions"))
    session.connection().execute(text(statement))


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


def _join_and_grant(user_id: int) -> None:
    from django.contrib.auth.models import Group, Permission
    from django.db import connections

    group: Any = Group.objects.create(name="keepers")
    group.user_set.add(user_id)
    group.permissions.add(Permission.objects.get(codename="add_item"))
    group.user_set.remove(user_id)
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
