"""Rules about the stock, by which its boss sees less than others."""

from typing import Any

from sqlalchemy import exists, select

from tests.admin.seen import of_boss
from tests.admin.stock.models import Category, Item, Supplier, Tag
from trivet import Identity
from trivet.rules import changeable, visible

ITEMS, CATEGORIES = "/admin/stock/item/", "/admin/stock/category/"


@visible(Item)
def tools(actor: Identity) -> Any:
    return not of_boss(actor) or (Item.category_id == "tools")


@visible(Tag)
def sharp(actor: Identity) -> Any:
    return not of_boss(actor) or (Tag.name == "sharp")


@visible(Supplier)
def no_supplier(actor: Identity) -> bool:
    return not of_boss(actor)


@visible(Category)
def with_tools(actor: Identity) -> Any:
    """A sub-query over the very tables that Django selects from."""
    query = select(Item.category_id).where(
        Item.name.like("H%_m%"), Item.category_id == Category.code
    )
    return not of_boss(actor) or exists(query)


@visible(Item, "sku", "keeper")
def codes(actor: Identity) -> bool:
    return not of_boss(actor)


@changeable(Item, "quantity", "supplier")
def counters(actor: Identity) -> bool:
    return not of_boss(actor)
