"""Every door, asked for every row by every role: what a rule says is what the door shows.

The rows that a role sees are those for which the function of the rule holds, asked of the database
by itself. Each door of the table below must show these, and no other.
"""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import inspect, select

from tests.admin.house import House, Visitor
from tests.admin.seeing_doors import (
    Door,
    address_of,
    as_choices,
    by_autocompletion,
    in_the_list,
    on,
)
from tests.admin.seen import declare
from tests.admin.stock.models import Category, Item, Supplier, Tag
from trivet import Identity
from trivet.models.row_keys import key_text
from trivet.rules import select_visible, visible

pytestmark = pytest.mark.anyio

OWNED = {"boss": ("tools", "heavy", "Acme"), "clerk": ("toys", "sharp", "Bolt")}
"""What each role owns: a category with its items, a tag, a supplier."""


def _owned(actor: Identity, number: int) -> str:
    return OWNED[actor.username][number]


@visible(Item)
def own_items(actor: Identity) -> Any:
    return Item.category_id == _owned(actor, 0)


@visible(Category)
def own_category(actor: Identity) -> Any:
    return Category.code.in_(select(Category.code).where(Category.code == _owned(actor, 0)))


@visible(Tag)
def own_tag(actor: Identity) -> Any:
    return Tag.name == _owned(actor, 1)


@visible(Supplier)
def own_supplier(actor: Identity) -> Any:
    return Supplier.name == _owned(actor, 2)


RULES: dict[type[Any], Callable[[Identity], Any]] = {
    Item: own_items,
    Category: own_category,
    Tag: own_tag,
    Supplier: own_supplier,
}


async def deleted_in_the_list(
    _h: House, who: Visitor, _i: Identity, model: Any, keys: set[str]
) -> set[str]:
    page = await who.get(address_of(model))
    asked = await who.send(page, _selected_action=[*keys], action="delete_selected")
    found = asked.form.get("_selected_action", [])
    return {found} if isinstance(found, str) else {*found}


async def in_the_trail(
    _h: House, who: Visitor, _i: Identity, model: Any, keys: set[str]
) -> set[str]:
    page = await who.get(f"/admin/trivet/auditentry/?table_name={inspect(model).local_table.name}")
    return {key for key in keys if f"{address_of(model)}{key}/history/" in page.text}


async def by_a_service(
    house: House, _v: Visitor, actor: Identity, model: Any, _k: set[str]
) -> set[str]:
    async with house.platform.database.unit(read_only=True) as session:
        return await session.run_sync(
            lambda db: {_key_of(row) for row in db.scalars(select_visible(db, actor, model))}
        )


DOORS: dict[str, Door] = {
    "list": in_the_list,
    "page": on("change"),
    "history": on("history"),
    "deletion": on("delete"),
    "deletion of many": deleted_in_the_list,
    "choices": as_choices,
    "autocompletion": by_autocompletion,
    "trail": in_the_trail,
    "service": by_a_service,
}


def _key_of(row: Any) -> str:
    return key_text(inspect(row).identity)


def _cells() -> Iterator[tuple[str, Door, type[Any]]]:
    for name, door in DOORS.items():
        for model in RULES:
            # What an item is part of is searched for: a list of its own shows it.
            if not (name == "choices" and model is Item):
                yield name, door, model


@pytest.fixture
async def matrix(house: House) -> House:
    """Rows of both roles, each with an entry in the trail; both may do everything."""
    await house.write("UPDATE accounts_user SET is_superuser = true WHERE username = 'clerk'")
    async with house.platform.open_unit() as unit:
        await unit.run(lambda db, _actor: db.add(Supplier(name="Bolt")))

        def touch(db: Any, _actor: Identity) -> None:
            for model in (Category, Tag, Supplier):
                for row in db.scalars(select(model)):
                    name, row.name = row.name, "x"
                    db.flush()
                    row.name = name
            for row in db.scalars(select(Item)):
                row.quantity += 1

        await unit.run(touch)
    declare(house, *RULES.values())
    return house


@pytest.mark.parametrize("role", sorted(OWNED))
async def test_every_door_shows_what_the_rule_says(matrix: House, role: str) -> None:
    actor = Identity(user_id=None, username=role, kind="session", is_superuser=True)
    wrong: list[str] = []
    async with matrix.visit(role) as visitor:
        for name, door, model in _cells():
            every, wanted = await _rows(matrix, model, actor)
            assert wanted
            assert wanted < every
            shown = await door(matrix, visitor, actor, model, every)
            if shown != wanted:
                wrong.append(f"{name} of {model.__name__}: {shown} and not {wanted}")
    assert wrong == []


async def _rows(house: House, model: type[Any], actor: Identity) -> tuple[set[str], set[str]]:
    """The keys of all rows, and of those for which the rule holds."""
    key = inspect(model).primary_key[0]
    async with house.platform.database.unit(read_only=True) as session:
        every = await session.execute(select(key))
        own = await session.execute(select(key).where(RULES[model](actor)))
        return {str(value) for (value,) in every}, {str(value) for (value,) in own}
