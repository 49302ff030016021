"""PostgreSQL keeps tenants apart in the admin too, also where no door knows of them."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from tests.admin.house import House
from tests.admin.seeing_doors import as_choices, by_autocompletion, in_the_list, on
from tests.admin.seen import declare
from tests.admin.stock.models import Category, Item
from tests.tenancy.securing import secure
from trivet import Forbidden, Identity
from trivet.rules import across_tenants, tenant
from trivet.rules.policies import policies_of

pytestmark = [pytest.mark.anyio, pytest.mark.database("postgresql")]

OWN = {"boss": "tools", "clerk": "toys"}
ITEMS = {"boss": {"1", "2"}, "clerk": {"3"}}
HERS = {Item: ITEMS, Category: {name: {code} for name, code in OWN.items()}}
EVERY: dict[type[Any], set[str]] = {Item: {"1", "2", "3"}, Category: {"tools", "toys"}}


@tenant("shop", {Item: "category_id", Category: "code"}, row_security=True)
def shops_of(actor: Identity) -> str | None:
    return OWN.get(actor.username)


@pytest.fixture
async def guarded(house: House, database_url: str) -> House:
    """A house whose doors know of no tenants, in a database that asks its policies."""
    await house.write("UPDATE accounts_user SET is_superuser = true WHERE username = 'clerk'")
    declare(house, shops_of)
    rules = house.platform.capture.rules
    secure(database_url, policies_of(rules.tenants.secured))
    rules._visible.clear()
    rules._rules.clear()
    rules._of_class.clear()
    await house.platform.database.close()
    _connect_anew()
    return house


def _connect_anew() -> None:
    from django.db import connection, connections

    connections.close_all()
    connection.close_pool()  # type: ignore[attr-defined]  # PostgreSQL's


DOORS: dict[str, Callable[..., Awaitable[set[str]]]] = {
    "list": in_the_list,
    "page": on("change"),
    "history": on("history"),
    "deletion": on("delete"),
    "choices": as_choices,
    "autocompletion": by_autocompletion,
}


@pytest.mark.parametrize("role", sorted(OWN))
async def test_every_door_of_the_admin_shows_rows_of_ones_tenants(
    guarded: House, role: str
) -> None:
    wrong: list[str] = []
    actor = Identity(user_id=None, username=role, kind="session", is_superuser=True)
    async with guarded.visit(role) as visitor:
        for name, door in DOORS.items():
            for model in (Item, Category):
                if name == "choices" and model is Item:
                    continue
                shown = await door(guarded, visitor, actor, model, EVERY[model])
                if shown != HERS[model][role]:
                    wrong.append(f"{name} of {model.__name__}: {shown}")
    assert wrong == []


async def test_a_form_cannot_make_a_row_of_another_tenant(guarded: House) -> None:
    async with guarded.visit("boss") as visitor:
        page = await visitor.get("/admin/stock/item/add/")
        made = await visitor.send(page, name="Axe", category="tools", quantity="1")
        assert made.status == 302
        page = await visitor.get("/admin/stock/item/add/")
        refused = await visitor.send(page, name="Doll", category="toys", quantity="1")
    assert "Select a valid choice" in refused.text
    assert await names(guarded) == ["Axe", "Bear", "Hammer", "Saw"]


async def names(house: House) -> list[str]:
    """Of all items: the product's own work sees every tenant."""
    return [name for (name,) in await house.rows("SELECT name FROM stock_item ORDER BY name")]


def count_by_django(_db: Session, _actor: Identity) -> int:
    from django.apps import apps

    return int(apps.get_model("stock", "Item").objects.count())


def count_in_both(db: Session, actor: Identity) -> tuple[int, int]:
    return count_by_django(db, actor), len(db.scalars(select(Item)).all())


def count_across_at_first(db: Session, actor: Identity) -> tuple[int, int]:
    with across_tenants(db):
        inside = count_by_django(db, actor)
    return inside, count_by_django(db, actor)


def count_across(db: Session, actor: Identity) -> tuple[int, int, int]:
    before = count_by_django(db, actor)
    with across_tenants(db):
        inside = count_by_django(db, actor)
    return before, inside, count_by_django(db, actor)


@pytest.mark.parametrize("read_only", [False, True], ids=["writing", "reading"])
async def test_both_orms_see_the_rows_of_the_units_actor(guarded: House, read_only: bool) -> None:
    for name in (*OWN, "guest"):
        actor = Identity(user_id=5, username=name, kind="session")
        async with guarded.platform.open_unit(actor=actor, read_only=read_only) as unit:
            inside, after = await unit.run_with_django(count_across_at_first)
        assert (inside, after) == (3, len(ITEMS.get(name, ())))
        async with guarded.platform.open_unit(actor=actor, read_only=read_only) as unit:
            found = await unit.run_with_django(count_in_both)
            across = await unit.run_with_django(count_across)
        count = len(ITEMS.get(name, ()))
        assert found == (count, count)
        assert across == (count, 3, count)
    async with guarded.platform.open_unit(read_only=read_only) as unit:
        assert await unit.run_with_django(count_in_both) == (3, 3)


async def test_a_unit_that_reads_is_told_and_still_only_reads(guarded: House) -> None:
    def modes(db: Session, _actor: Identity) -> list[str]:
        asked = ("transaction_read_only", "transaction_isolation")
        return [str(db.scalar(text(f"SHOW {each}"))) for each in asked]

    actor = Identity(user_id=5, username="boss", kind="session")
    async with guarded.platform.open_unit(actor=actor, read_only=True) as unit:
        assert await unit.run_with_django(modes) == ["on", "repeatable read"]
    async with guarded.platform.open_unit(actor=actor) as unit:
        assert await unit.run_with_django(modes) == ["off", "read committed"]


async def test_what_django_writes_for_another_tenant_is_refused(guarded: House) -> None:
    def add(_db: Session, _actor: Identity) -> None:
        from django.apps import apps

        apps.get_model("stock", "Item").objects.create(name="Doll", category_id="toys")

    actor = Identity(user_id=5, username="boss", kind="session")
    with pytest.raises(Forbidden, match="would not be yours"):
        async with guarded.platform.open_unit(actor=actor) as unit:
            await unit.run_with_django(add)
    assert await names(guarded) == ["Bear", "Hammer", "Saw"]
