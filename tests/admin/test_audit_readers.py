"""Whose values a reader of the audit trail sees: those of what they may view, and no others."""

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.admin.grant_changes import permission, users
from tests.admin.house import House

pytestmark = pytest.mark.anyio

TRAIL = "/admin/trivet/auditentry/"
SECRETS = ("Bellows", "glowing", "furnace", "Clara")
"""What stands in the entries of tags, categories and users, which the reader may not view."""


def with_connections(work: Callable[[], None]) -> None:
    from django.db import connections

    try:
        work()
    finally:
        connections.close_all()


def make_reader(*more: str) -> None:
    """Have clerk, who may view items and categories, read the trail and no categories."""
    clerk = users().get(username="clerk")
    clerk.user_permissions.set(
        [permission(name) for name in ("view_auditentry", "view_item", *more)]
    )


def make_entries() -> None:
    from django.apps import apps

    tag: Any = apps.get_model("stock", "Tag")
    item: Any = apps.get_model("stock", "Item")
    category: Any = apps.get_model("stock", "Category")
    tag.objects.create(name="glowing")
    tag.objects.filter(name="glowing").update(name="Bellows")
    category.objects.create(code="furnace", name="Bellows")
    item.objects.filter(pk=1).update(quantity=8)
    users().filter(username="guest").update(first_name="Clara")


@pytest.fixture
async def read_house(house: House) -> House:
    await asyncio.to_thread(with_connections, make_reader)
    await asyncio.to_thread(with_connections, make_entries)
    return house


async def test_the_list_shows_that_something_happened_and_values_of_what_one_may_view(
    read_house: House,
) -> None:
    async with read_house.visit("clerk") as clerk:
        page = await clerk.get(TRAIL)
    async with read_house.visit() as boss:
        whole = await boss.get(TRAIL)
    assert "quantity: 5 → 8" in page.words
    assert "not shown: you may not view tags" in page.words
    assert "not shown: you may not view categories" in page.words
    assert "not shown: you may not view users" in page.words
    assert "category added" not in page.words
    for secret in SECRETS:
        assert secret not in page.text
        assert secret in whole.text


@pytest.mark.parametrize(
    "query",
    [
        *(f"?q={secret}" for secret in SECRETS),
        "?q=Bell",
        "?q=first_name",
        "?row_key=furnace",
        "?table_name=stock_category&row_key=furnace",
        "?table_name=stock_tag&q=glowing",
        "?visible_changes__contains=Bellows",
        "?visible_key=furnace",
    ],
)
async def test_what_is_not_shown_cannot_be_searched_for(read_house: House, query: str) -> None:
    async with read_house.visit("clerk") as clerk:
        page = await clerk.get(f"{TRAIL}{query}")
    async with read_house.visit() as boss:
        whole = await boss.get(f"{TRAIL}{query}")
    assert (page.status, whole.status) == (200, 200)
    assert "0 audit entries" in page.words
    assert "0 audit entries" not in whole.words


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("?q=quantity", 1),
        ("?table_name=stock_item&row_key=1", 1),
        ("?row_key=1", 1),
        ("?table_name=stock_tag", 2),
        ("?kind=insert&table_name=stock_category", 1),
        ("?q=django&table_name=stock_tag", 2),
    ],
)
async def test_what_is_shown_can_be_searched_for(read_house: House, query: str, found: int) -> None:
    async with read_house.visit("clerk") as clerk:
        page = await clerk.get(f"{TRAIL}{query}")
    assert f"{found} audit entr{'y' if found == 1 else 'ies'}" in page.words


@pytest.mark.parametrize("table", ["stock_tag", "stock_category", "accounts_user"])
async def test_the_page_of_an_entry_keeps_what_one_may_not_view(
    read_house: House, table: str
) -> None:
    query = (
        "SELECT id FROM trivet_audit_entry WHERE table_name = :table "
        "ORDER BY at DESC, id DESC LIMIT 1"
    )
    ((entry,),) = await read_house.rows(query, table=table)
    async with read_house.visit("clerk") as clerk:
        pages = [await clerk.get(f"{TRAIL}{entry}/{page}/") for page in ("change", "history")]
    async with read_house.visit() as boss:
        whole = await boss.get(f"{TRAIL}{entry}/change/")
    assert "not shown: you may not view" in pages[0].words
    assert any(secret in whole.text for secret in SECRETS)
    for page in pages:
        assert page.status == 200
        assert not any(secret in page.text for secret in SECRETS)


async def test_a_history_page_shows_the_trail_to_those_who_may_view_the_object(
    read_house: House,
) -> None:
    async with read_house.visit("clerk") as clerk:
        item = await clerk.get("/admin/stock/item/1/history/")
        tag = await clerk.get("/admin/stock/tag/3/history/")
        listed = await clerk.get(f"{TRAIL}?table_name=stock_item&row_key=1")
    assert "changed quantity 5 → 8" in item.words
    assert "quantity: 5 → 8" in listed.words
    assert tag.status in (302, 403)
    assert "Bellows" not in tag.text


async def test_to_change_is_to_view_as_everywhere_in_the_admin(read_house: House) -> None:
    await asyncio.to_thread(with_connections, lambda: make_reader("change_tag"))
    async with read_house.visit("clerk") as clerk:
        page = await clerk.get(f"{TRAIL}?q=glowing")
    assert "name: glowing → Bellows" in page.words


async def test_what_a_model_admin_says_of_viewing_counts(read_house: House) -> None:
    """A feature's ModelAdmin may be stricter than Django's permissions."""
    from django.contrib import admin

    from tests.admin.stock.admin import ItemAdmin
    from tests.admin.stock.models import Item
    from trivet_admin.mirror.registry import mirror

    class Stricter(ItemAdmin):
        def has_view_permission(self, request: Any, obj: Any = None) -> bool:
            return bool(request.user.is_superuser and super().has_view_permission(request, obj))

    admin.site.unregister(mirror(Item))
    admin.site.register(mirror(Item), Stricter)
    async with read_house.visit("clerk") as clerk:
        page = await clerk.get(TRAIL)
    assert "quantity: 5 → 8" not in page.words


@pytest.fixture
def statements() -> Iterator[list[str]]:
    """What Django sends to the database, on whatever connection."""
    from django.db.backends.signals import connection_created

    sent: list[str] = []

    def note(execute: Any, sql: Any, *rest: Any) -> Any:
        sent.append(str(sql))
        return execute(sql, *rest)

    def watch(connection: Any, **_: Any) -> None:
        if note not in connection.execute_wrappers:
            connection.execute_wrappers.append(note)

    connection_created.connect(watch)
    yield sent
    connection_created.disconnect(watch)


async def test_a_longer_list_takes_no_more_statements(
    read_house: House, statements: list[str]
) -> None:
    counts = []
    async with read_house.visit("clerk") as clerk:
        for _ in range(3):
            await clerk.get(TRAIL)
            statements.clear()
            page = await clerk.get(TRAIL)
            assert page.status == 200
            counts.append(len([each for each in statements if each.startswith("SELECT")]))
            await asyncio.to_thread(with_connections, make_more)
    assert counts[0] > 0
    assert counts == [counts[0]] * 3


def make_more() -> None:
    from django.apps import apps

    tag: Any = apps.get_model("stock", "Tag")
    item: Any = apps.get_model("stock", "Item")
    for _ in range(9):
        first = item.objects.get(pk=1)
        first.quantity += 1
        first.save()
        tag.objects.filter(pk=1).update(name=f"heavy {first.quantity}")
