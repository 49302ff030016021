"""Trust that ends: what is done in Django is known everywhere at once."""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from tests.admin.grant_changes import (
    COOKIE,
    GRANT_CHANGES,
    clerk,
    disable_in_bulk,
    make_keepers,
    me,
    permission,
    rename,
    users,
    with_connections,
)
from tests.admin.house import PASSWORD, House
from trivet.identity import Revocation, RevocationScope
from trivet_admin import runtime

pytestmark = pytest.mark.anyio

SAME_PERMISSIONS = {
    "renamed",
    "renamed by bulk_update",
    "renamed in what is chosen once",
    "renamed in what an aggregate chose",
}


async def do(work: Callable[[], Any]) -> None:
    await asyncio.to_thread(with_connections, work)


@pytest.fixture
def unaudited(built_house: House) -> Iterator[None]:
    """Nothing that Django changes is noted."""
    capture = runtime.capture()
    runtime.set_capture(replace(capture, audit=None))
    yield
    runtime.set_capture(capture)


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

    @pytest.mark.parametrize("deed", sorted(GRANT_CHANGES))
    async def test_whatever_changes_what_a_user_may_do_is_told_and_read_again(
        self, house: House, revoked: list[Revocation], deed: str
    ) -> None:
        clerk = await self.user_id(house, "clerk")
        await do(make_keepers)
        async with house.visit("clerk") as visitor:
            before = await me(visitor)
            revoked.clear()
            await do(GRANT_CHANGES[deed])
            after = await me(visitor)
        assert revoked == [Revocation(user_id=clerk, scope=RevocationScope.GRANTS)]
        assert (before["permissions"] == after["permissions"]) is (deed in SAME_PERMISSIONS)

    async def test_users_disabled_in_bulk_are_revoked(
        self, house: House, revoked: list[Revocation]
    ) -> None:
        clerk = await self.user_id(house, "clerk")
        async with house.visit("clerk") as visitor:
            assert (await me(visitor))["kind"] == "session"
            await do(disable_in_bulk)
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

    @pytest.mark.parametrize(
        "deed", ["renamed", "memberships deleted", "permissions of groups deleted"]
    )
    async def test_trust_ends_where_nothing_is_audited_too(
        self, house: House, revoked: list[Revocation], unaudited: None, deed: str
    ) -> None:
        user_id = await self.user_id(house, "clerk")
        await do(make_keepers)
        revoked.clear()
        await do(GRANT_CHANGES[deed])
        assert revoked == [Revocation(user_id=user_id, scope=RevocationScope.GRANTS)]

    @pytest.mark.parametrize(
        "statement",
        [
            "UPDATE accounts_user SET is_active = (1 = 0)",
            "DELETE FROM accounts_user_groups",
            "DELETE FROM auth_group_permissions",
        ],
    )
    async def test_a_raw_write_that_nobody_would_be_told_of_is_refused_where_nothing_is_audited(
        self, house: House, revoked: list[Revocation], unaudited: None, statement: str
    ) -> None:
        def write() -> None:
            from django.db import connection

            with connection.cursor() as cursor:
                cursor.execute(statement)

        with pytest.raises(Exception, match="revocations"):
            await do(write)
        assert await house.value("SELECT count(*) FROM accounts_user WHERE NOT is_active") == 0

    async def test_permissions_are_created_by_migrations_of_a_house_that_stands(
        self, house: House, revoked: list[Revocation]
    ) -> None:
        def migrate() -> None:
            from django.core.management import call_command

            permission("add_item").delete()
            call_command("migrate", verbosity=0)
            assert permission("add_item")

        await do(migrate)
        assert revoked == []

    async def test_a_new_password_ends_sessions_and_nothing_else(
        self, house: House, revoked: list[Revocation]
    ) -> None:
        def change() -> None:
            user = clerk()
            user.set_password("another horse battery staple")
            user.save()

        user_id = await self.user_id(house, "clerk")
        await do(change)
        assert revoked == [Revocation(user_id=user_id, kind="session")]

    async def test_what_stays_as_it_is_revokes_nothing(
        self, house: House, revoked: list[Revocation]
    ) -> None:
        def change_nothing() -> None:
            clerk().save()
            users().update(is_active=True)
            permissions = type(permission("view_item")).objects
            permissions.update(name="May look")
            new = permissions.model(
                codename="gaze_item", content_type=permission("view_item").content_type
            )
            permissions.bulk_create([new], ignore_conflicts=True)
            clerk().user_permissions.add(permission("view_item"))

        await do(change_nothing)
        assert revoked == []

    async def test_whoever_is_disabled_and_renamed_loses_trust_only(
        self, house: House, revoked: list[Revocation]
    ) -> None:
        def change() -> None:
            from django.db.transaction import atomic

            with atomic():
                rename()
                disable_in_bulk()

        user_id = await self.user_id(house, "clerk")
        await do(change)
        assert revoked == [Revocation(user_id=user_id)]

    async def test_lost_trust_is_told_before_lost_certainty(
        self, house: House, revoked: list[Revocation]
    ) -> None:
        def change() -> None:
            from django.db.transaction import atomic

            with atomic():
                rename()
                users().filter(username="clerk").update(password="!")

        user_id = await self.user_id(house, "clerk")
        await do(change)
        assert revoked == [
            Revocation(user_id=user_id, kind="session"),
            Revocation(user_id=user_id, scope=RevocationScope.GRANTS),
        ]

    @pytest.mark.parametrize(
        "delete",
        [lambda: clerk().delete(), lambda: users().filter(username="clerk").delete()],
        ids=["one", "bulk"],
    )
    async def test_a_deleted_member_is_not_told_to_come_back_first(
        self, house: House, revoked: list[Revocation], delete: Callable[[], Any]
    ) -> None:
        user_id = await self.user_id(house, "clerk")
        await do(make_keepers)
        revoked.clear()
        await do(delete)
        assert revoked == [Revocation(user_id=user_id)]

    async def test_what_is_rolled_back_revokes_nothing(
        self, house: House, revoked: list[Revocation]
    ) -> None:
        def change() -> None:
            from django.db.transaction import atomic, set_rollback

            with atomic():
                for deed in GRANT_CHANGES.values():
                    with atomic():
                        deed()
                        set_rollback(True)
                assert revoked == []
                clerk().groups.clear()
            assert revoked == [Revocation(user_id=user_id, scope=RevocationScope.GRANTS)]
            revoked.clear()
            with atomic():
                disable_in_bulk()
                set_rollback(True)

        user_id = await self.user_id(house, "clerk")
        await do(make_keepers)
        revoked.clear()
        await do(change)
        assert revoked == []

    async def test_a_rolled_back_savepoint_takes_its_losses_along_and_no_others(
        self, house: House, revoked: list[Revocation]
    ) -> None:
        def change() -> None:
            from django.db.transaction import atomic, set_rollback

            with atomic():
                rename()
                with atomic():
                    users().all().delete()
                    set_rollback(True)
                with atomic():
                    users().filter(username="guest").update(is_active=False)

        user_ids = [await self.user_id(house, name) for name in ("clerk", "guest")]
        await do(change)
        assert revoked == [
            Revocation(user_id=user_ids[0], scope=RevocationScope.GRANTS),
            Revocation(user_id=user_ids[1]),
        ]

    async def test_a_hook_of_somebody_else_that_fails_keeps_nobody_in_trust(
        self, house: House, revoked: list[Revocation]
    ) -> None:
        def fail() -> None:
            raise LookupError("a hook")

        def change() -> None:
            from django.db.transaction import atomic, on_commit, set_rollback

            with atomic():
                on_commit(fail)
                with atomic():
                    disable_in_bulk()
                with atomic():
                    on_commit(fail)
                    users().filter(username="guest").update(is_active=False)
                with atomic():
                    users().filter(username="boss").update(is_active=False)
                    set_rollback(True)

        user_ids = [await self.user_id(house, name) for name in ("clerk", "guest")]
        with pytest.raises(LookupError):
            await do(change)
        assert revoked == [Revocation(user_id=user_id) for user_id in user_ids]

    async def test_nothing_is_told_before_the_commit(
        self, house: House, revoked: list[Revocation]
    ) -> None:
        def change() -> None:
            from django.db.transaction import atomic

            with atomic():
                disable_in_bulk()
                assert revoked == []
            assert len(revoked) == 1

        await do(change)
