"""No two users share an address, in whatever case and way it is written; those who do can go on."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from threading import Barrier, BrokenBarrierError
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from tests.admin.house import House
from trivet import Identity
from trivet.errors import Conflict

pytestmark = pytest.mark.anyio


def users() -> Any:
    from django.contrib.auth import get_user_model

    model: Any = get_user_model()
    return model.objects


def made(name: str, email: str) -> Any:
    return users().model(username=name, email=email)


WAYS: dict[str, Callable[[], Any]] = {
    "create": lambda: users().create(username="eve", email="Clerk@Example.org"),
    "in bulk": lambda: users().bulk_create(
        [made("eve", "e@x.org"), made("fay", "CLERK@example.org")]
    ),
    "twice in bulk": lambda: users().bulk_create([made("eve", "e@x.org"), made("fay", "E@x.org")]),
    "update": lambda: users().filter(username="boss").update(email="CLERK@EXAMPLE.ORG"),
}


@pytest.mark.parametrize("way", WAYS)
async def test_an_address_that_is_taken_is_given_in_no_case_and_by_no_way(
    house: House, way: str
) -> None:
    def give(_db: Session, _actor: Identity) -> None:
        WAYS[way]()

    with pytest.raises(Conflict, match="already exists") as refused:
        await house.platform.run_with_django(give)
    assert refused.value.data["errors"][0]["pointer"] == "/email"
    assert await house.value("SELECT count(*) FROM accounts_user WHERE username = 'eve'") == 0


async def test_of_two_who_take_one_address_at_the_same_moment_one_is_refused(house: House) -> None:
    written = Barrier(2)

    def give(_db: Session, _actor: Identity, name: str, email: str) -> None:
        users().create(username=name, email=email)
        # Neither has committed. Who waits for the other one does not come here.
        with suppress(BrokenBarrierError):
            written.wait(timeout=2)

    outcomes = await asyncio.gather(
        house.platform.run_with_django(give, "eve", "Eve@example.org"),
        house.platform.run_with_django(give, "fay", "eve@EXAMPLE.org"),
        return_exceptions=True,
    )
    assert [type(each) for each in outcomes if each is not None] == [Conflict], outcomes
    found = "SELECT count(*) FROM accounts_user WHERE lower(email) = 'eve@example.org'"
    assert await house.value(found) == 1


async def test_users_who_share_an_address_already_can_be_changed(house: House) -> None:
    async with house.platform.database.engine.begin() as connection:
        await connection.execute(
            text("UPDATE accounts_user SET email = 'CLERK@example.org' WHERE username = 'guest'")
        )
    user = await house.value("SELECT id FROM accounts_user WHERE username = 'guest'")
    async with house.visit() as boss:
        page = await boss.edit(f"/admin/accounts/user/{user}/change/", first_name="Gus")
        assert page.status == 302, page.words
        # Capitals of one's own are nobody else's business.
        page = await boss.edit(f"/admin/accounts/user/{user}/change/", email="Clerk@example.org")
        assert page.status == 302, page.words
        page = await boss.edit(f"/admin/accounts/user/{user}/change/", email="guest@example.org")
        assert page.status == 302, page.words
