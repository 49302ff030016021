"""Trust that ends: what is done in Django is known everywhere at once."""

import asyncio

import pytest

from tests.admin.deeds import (
    COOKIE,
    DEEDS,
    disable_in_bulk,
    make_keepers,
    me,
    with_connections,
)
from tests.admin.house import PASSWORD, House
from trivet.identity import Loss, Revocation

pytestmark = pytest.mark.anyio


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
        clerk_id = await self.user_id(house, "clerk")
        assert Revocation(user_id=clerk_id, kind="session") in revoked
        assert Revocation(user_id=clerk_id) not in revoked, "the keys of the user go on"

    @pytest.mark.parametrize("deed", sorted(DEEDS))
    async def test_whatever_changes_what_a_user_may_do_is_told_and_read_again(
        self, house: House, revoked: list[Revocation], deed: str
    ) -> None:
        clerk = await self.user_id(house, "clerk")
        await asyncio.to_thread(with_connections, make_keepers)
        async with house.visit("clerk") as visitor:
            before = await me(visitor)
            revoked.clear()
            await asyncio.to_thread(with_connections, DEEDS[deed])
            after = await me(visitor)
        assert Revocation(user_id=clerk, loss=Loss.GRANTS) in revoked
        assert before["permissions"] != after["permissions"] or deed in {"promoted", "renamed"}

    async def test_users_disabled_in_bulk_are_revoked(
        self, house: House, revoked: list[Revocation]
    ) -> None:
        clerk = await self.user_id(house, "clerk")
        async with house.visit("clerk") as visitor:
            assert (await me(visitor))["kind"] == "session"
            await asyncio.to_thread(with_connections, disable_in_bulk)
            assert (await me(visitor))["kind"] == "anonymous"
        assert revoked == [Revocation(user_id=clerk)]

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
