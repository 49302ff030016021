"""The doors of the admin by which somebody sees a row."""

from collections.abc import Awaitable, Callable
from typing import Any

from tests.admin.house import House, Visitor
from tests.admin.stock.models import Category, Item, Supplier, Tag
from trivet import Identity

Shown = Awaitable[set[str]]
Door = Callable[[House, Visitor, Identity, type[Any], set[str]], Shown]


def address_of(model: type[Any]) -> str:
    return f"/admin/stock/{model.__name__.lower()}/"


async def in_the_list(_h: House, who: Visitor, _i: Identity, model: Any, _k: set[str]) -> set[str]:
    return {*(await who.get(address_of(model))).chosen}


def on(page: str) -> Door:
    """The door of a row's page."""

    async def door(_h: House, who: Visitor, _i: Identity, model: Any, keys: set[str]) -> set[str]:
        answers = {key: await who.get(f"{address_of(model)}{key}/{page}/") for key in keys}
        return {key for key, answer in answers.items() if answer.status == 200}

    return door


async def as_choices(_h: House, who: Visitor, _i: Identity, model: Any, _k: set[str]) -> set[str]:
    """Of the select of a relation, if an item has one to the class."""
    name = relation_to(model)
    page = await who.get("/admin/stock/item/add/")
    return page.options[name] - {""}


async def by_autocompletion(
    _h: House, who: Visitor, _i: Identity, model: Any, _k: set[str]
) -> set[str]:
    asked = f"app_label=stock&model_name=item&field_name={relation_to(model)}&term="
    answer = await who.http.get(f"/admin/autocomplete/?{asked}")
    return {each["id"] for each in answer.json()["results"]}


def relation_to(model: type[Any]) -> str:
    names = {Category: "category", Supplier: "supplier", Tag: "tags", Item: "parent"}
    return names[model]
