"""One login: whoever logs in at any door is known at all of them, and nobody else is."""

import asyncio
from typing import Any

import pytest
from structlog.testing import capture_logs

from tests.admin.grant_changes import COOKIE, me
from tests.admin.house import PASSWORD, House, Visitor
from trivet.identity import Revocation
from trivet_admin.auth.credentials import credential_id

pytestmark = pytest.mark.anyio


async def log_in_at_the_door(visitor: Visitor, username: str, password: str = PASSWORD) -> int:
    given = {"username": username, "password": password}
    return (await visitor.http.post("/door/login", json=given)).status_code


async def log_in_again(visitor: Visitor, username: str) -> None:
    """Send the login form of somebody who is logged in, whom the page itself only sends on."""
    form = await visitor.get("/admin/password_change/")
    token = form.form["csrfmiddlewaretoken"]
    given = {"username": username, "password": PASSWORD, "csrfmiddlewaretoken": token}
    assert (await visitor.http.post("/admin/login/", data=given)).status_code == 302


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
        async with house.client() as other, house.client() as visitor:
            await other.log_in("boss")
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
        assert len(set(keys)) == 3
        assert await house.value("SELECT count(*) FROM django_session") == 1
        told = [revocation.credential_id for revocation in revoked]
        assert told == [credential_id(key) for key in keys[:2]]

    async def test_a_second_login_at_the_admin_ends_the_first_key_and_keeps_what_it_held(
        self, house: House
    ) -> None:
        async with house.visit("boss") as boss:
            first = boss.http.cookies[COOKIE]
            await asyncio.to_thread(_put_into_session, first, "basket", ["apple"])
            await log_in_again(boss, "boss")
            second = boss.http.cookies[COOKIE]
            assert second != first
            assert await asyncio.to_thread(_session, first) == {}
            assert (await asyncio.to_thread(_session, second))["basket"] == ["apple"]
            await log_in_again(boss, "clerk")
            third = await asyncio.to_thread(_session, boss.http.cookies[COOKIE])
        assert "basket" not in third, "what one user left is not for another"

    @pytest.mark.parametrize(
        ("account", "logged"),
        [
            ("nobody", "nobody"),
            ("ada@example.org", "ada@example.org"),
            ("a b", "a%20b"),
            (
                "x\n2026-01-01 login outcome=succeeded",
                "x%0A2026-01-01%20login%20outcome%3Dsucceeded",
            ),
            ("x\x1b[31m", "x%1B%5B31m"),
            ('"x" address=10.0.0.1', "%22x%22%20address%3D10.0.0.1"),
            ("Zoë\u2028", "Zo%C3%AB%E2%80%A8"),
        ],
    )
    async def test_a_name_in_the_log_cannot_look_like_anything_else(
        self, house: House, account: str, logged: str
    ) -> None:
        async with house.client() as visitor:
            with capture_logs() as lines:
                await log_in_at_the_door(visitor, account, "wrong")
        (line,) = [line for line in lines if line["event"] == "login"]
        assert line["account"] == logged
        assert line["address"] == "127.0.0.1"
        assert "wrong" not in repr(line)

    async def test_of_a_burst_over_two_doors_five_passwords_are_looked_at(
        self, house: House
    ) -> None:
        async with house.client() as visitor:
            visitor.may_fail()  # the small room of these tests renders no error of its own
            await visitor.get("/admin/login/")
            here = [log_in_at_the_door(visitor, "clerk", f"wrong {n}") for n in range(20)]
            there = [visitor.log_in("clerk", f"wrong {n}") for n in range(20)]
            with capture_logs() as lines:
                await asyncio.gather(*here, *there)
                assert await log_in_at_the_door(visitor, "clerk") != 200
                assert await log_in_at_the_door(visitor, "boss") == 200
        logins = [line for line in lines if line["event"] == "login"]
        assert [line["outcome"] for line in logins if line["account"] == "boss"] == ["succeeded"]
        outcomes = [line["outcome"] for line in logins if line["account"] == "clerk"]
        assert outcomes.count("failed") == 5
        assert outcomes.count("throttled") == 36

    @pytest.mark.parametrize("door", ["admin", "other"])
    async def test_a_login_whose_session_cannot_be_stored_has_not_succeeded(
        self, house: House, door: str
    ) -> None:
        await house.write("ALTER TABLE django_session RENAME TO lost_session")
        async with house.client() as visitor:
            visitor.may_fail()
            page = await visitor.get("/admin/login/")
            with capture_logs() as lines:
                if door == "admin":
                    status = (await visitor.send(page, username="boss", password=PASSWORD)).status
                else:
                    status = await log_in_at_the_door(visitor, "boss")
        assert status >= 500
        assert COOKIE not in visitor.http.cookies
        assert [line["outcome"] for line in lines if line["event"] == "login"] == ["refused"]

    async def test_a_login_of_one_who_is_not_staff_has_not_succeeded_at_the_admin(
        self, house: House
    ) -> None:
        await house.write("UPDATE accounts_user SET is_staff = false WHERE username = 'clerk'")
        async with house.client() as visitor:
            with capture_logs() as lines:
                await visitor.log_in("clerk")
                assert await log_in_at_the_door(visitor, "clerk") == 200
                await visitor.log_in("clerk")
        logins = [line["outcome"] for line in lines if line["event"] == "login"]
        assert logins == ["refused", "succeeded", "refused"]

    async def test_a_password_is_stored_as_argon2id_with_our_parameters(self, house: House) -> None:
        stored = await house.value("SELECT password FROM accounts_user WHERE username = 'boss'")
        assert stored.startswith("argon2$argon2id$v=19$m=19456,t=2,p=1$")


class TestUsers:
    @pytest.mark.parametrize("email", ["clerk@example.org", "CLERK@example.org"])
    async def test_an_email_address_belongs_to_one_user(self, house: House, email: str) -> None:
        async with house.visit() as boss:
            page = await boss.edit(
                "/admin/accounts/user/add/",
                username="double",
                email=email,
                password1=PASSWORD,
                password2=PASSWORD,
            )
        assert page.status == 200
        assert page.error_at("email") == "A user with that email address already exists."

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


def _make_sleeper() -> None:
    from django.contrib.auth import get_user_model
    from django.db import connections

    users: Any = get_user_model().objects
    users.create_user("asleep", "asleep@example.org", PASSWORD, is_active=False)
    connections.close_all()


def _put_into_session(key: str, name: str, value: Any) -> None:
    from django.db import connection

    from trivet_admin.auth.session_store import SessionStore

    session = SessionStore(key)
    session[name] = value
    session.save()
    connection.close()


def _session(key: str) -> dict[str, Any]:
    from django.db import connection

    from trivet_admin.auth.session_store import SessionStore

    found = dict(SessionStore(key).load())
    connection.close()
    return found
