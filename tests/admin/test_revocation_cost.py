"""What a revocation may cost the statement that causes it."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from tests.admin.grant_changes import (
    groups,
    make_keepers,
    permission,
    users,
    with_connections,
)
from tests.admin.house import House
from trivet.identity import Revocation

pytestmark = pytest.mark.anyio


async def do(work: Callable[[], Any]) -> None:
    await asyncio.to_thread(with_connections, work)


class TestCost:
    async def statements(self, work: Callable[[], Any]) -> list[str]:
        seen: list[str] = []

        def run() -> None:
            from django.db import connection
            from django.test.utils import CaptureQueriesContext

            with CaptureQueriesContext(connection) as captured:
                work()
            seen.extend(each["sql"].replace('"', "") for each in captured)

        await do(run)
        return seen

    async def test_the_members_of_all_groups_concerned_are_found_by_one_query(
        self, house: House, revoked: list[Revocation]
    ) -> None:
        def give() -> None:
            permission("view_item").group_set.add(*groups().all())

        await do(make_keepers)
        statements = await self.statements(give)
        assert len([each for each in statements if "FROM accounts_user_groups" in each]) == 1

    async def test_the_holders_of_all_permissions_concerned_are_found_by_one_query(
        self, house: House, revoked: list[Revocation]
    ) -> None:
        def rename_all() -> None:
            from django.db.models import Value
            from django.db.models.functions import Concat

            permissions = type(permission("view_item")).objects
            permissions.update(codename=Concat("codename", Value("_of_old")))

        await do(make_keepers)
        revoked.clear()
        statements = await self.statements(rename_all)
        assert len([each for each in statements if "FROM accounts_user " in each]) == 1
        assert len(revoked) == 1

    async def test_a_saved_user_is_read_once_before_and_once_after(
        self, house: House, revoked: list[Revocation]
    ) -> None:
        def save() -> None:
            user = users().get(username="clerk")
            user.first_name = "Clara"
            user.save()

        statements = await self.statements(save)
        read = [each for each in statements if "FROM accounts_user" in each]
        assert len(read) == 1 + 2, statements
        assert len(revoked) == 1

    async def test_a_login_reads_nothing(self, house: House, revoked: list[Revocation]) -> None:
        from django.contrib.auth.models import update_last_login

        def log_in() -> None:
            update_last_login(users().model, users().model(pk=1))

        statements = await self.statements(log_in)
        assert [each for each in statements if "accounts_user" in each] == statements[-1:]
        assert revoked == []
