"""The user as a mapped class: referred to by a column, a relationship and an association table."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from tests.admin.house import House
from tests.admin.shop import Shop
from tests.admin.stock.models import Item
from trivet import User
from trivet.errors import TrivetError

pytestmark = pytest.mark.anyio

SEARCH = "/admin/autocomplete/?app_label=stock&model_name=item"
WATCHERS = "SELECT user_id FROM stock_item_watcher WHERE item_id = 1"


async def in_unit(house: House, service: Callable[[Session, Any], Any]) -> Any:
    async with house.platform.open_unit() as unit:
        return await unit.run(service)


async def test_a_service_gives_a_row_to_a_user_and_reads_him(house: House) -> None:
    def give(db: Session, _actor: Any) -> None:
        item = db.get_one(Item, 1)
        clerk = db.scalars(select(User).where(User.username == "clerk")).one()
        item.keeper = clerk
        item.watchers.append(clerk)

    def read(db: Session, _actor: Any) -> tuple[str, list[str]]:
        query = select(Item).join(Item.keeper).where(User.is_active)
        item = db.scalars(query).one()
        assert item.keeper is not None
        return item.keeper.username, [str(each) for each in item.watchers]

    await in_unit(house, give)
    assert await in_unit(house, read) == ("clerk", ["clerk"])
    assert len(await house.rows(WATCHERS)) == 1


async def test_people_are_searched_and_chosen_in_the_form_of_a_row(house: House) -> None:
    clerk = await house.value("SELECT id FROM accounts_user WHERE username = 'clerk'")
    async with house.visit() as boss:
        for field in ("keeper", "watchers"):
            found = await boss.get(f"{SEARCH}&field_name={field}&term=cler")
            assert f'"id": "{clerk}", "text": "clerk"' in found.text
        page = await boss.edit(
            "/admin/stock/item/1/change/", keeper=str(clerk), watchers=[str(clerk)]
        )
        assert page.status == 302, page.words
        page = await boss.get("/admin/stock/item/1/change/")
        assert page.words.count("clerk") == 2  # as a keeper and as a watcher
    assert await house.rows(WATCHERS) == [(clerk,)]
    assert await house.rows("SELECT keeper_id FROM stock_item WHERE id = 1") == [(clerk,)]


@pytest.mark.parametrize(
    "write",
    [
        lambda db, user: setattr(user, "is_superuser", True),
        lambda db, user: db.delete(user),
        lambda db, user: db.add(User(username="eve", email="eve@example.org")),
    ],
    ids=["change", "delete", "add"],
)
async def test_no_session_writes_a_user(
    house: House, write: Callable[[Session, User], None]
) -> None:
    def try_it(db: Session, _actor: Any) -> None:
        write(db, db.scalars(select(User).where(User.username == "clerk")).one())
        db.flush()

    with pytest.raises((TrivetError, RuntimeError), match="User is only read"):
        await in_unit(house, try_it)


def test_the_hash_of_a_password_is_no_attribute() -> None:
    assert "password" not in User.__mapper__.attrs


def test_djangos_orm_adds_and_removes_users_of_a_row(shop: Shop) -> None:
    from django.contrib.auth import get_user_model

    item = shop.Item.objects.get(pk=1)
    clerk = get_user_model().objects.get(username="clerk")
    item.watchers.add(clerk)
    assert shop.rows(WATCHERS) == [(clerk.pk,)]
    assert list(shop.Item.objects.filter(watchers__username="clerk")) == [item]
    item.watchers.remove(clerk)
    assert shop.rows(WATCHERS) == []
    item.watchers.set([clerk])
    clerk.delete()  # the links go with him, as Django's own do
    assert shop.rows(WATCHERS) == []


def test_a_page_of_the_admin_for_users_is_refused_with_the_reason(shop: Shop) -> None:
    from trivet.errors import ConfigurationError
    from trivet_admin import ModelAdmin, register

    with pytest.raises(ConfigurationError, match="User is Django's own model"):
        register(User)(ModelAdmin)
