"""What Django's ORM writes is found by a search on SQLite."""

from collections.abc import Callable

import pytest

from tests.admin.shop import Shop
from trivet.models.search_tables import SearchTable
from trivet.models.searches import SearchIndex

pytestmark = pytest.mark.database("sqlite")


def save(shop: Shop) -> None:
    item = shop.Item(name="claw hammer", category_id="tools")
    item.save()
    assert item.pk == 4  # and not a number of the index


def update(shop: Shop) -> None:
    shop.Item.objects.filter(pk=1).update(name="Mallet")


def create_many(shop: Shop) -> None:
    shop.Item.objects.bulk_create(
        shop.Item(name=name, category_id="tools") for name in ("axe", "sledge hammer")
    )


def delete(shop: Shop) -> None:
    shop.Item.objects.get(pk=1).delete()


def roll_back(shop: Shop) -> None:
    from django.db import transaction

    with transaction.atomic():
        update(shop)
        transaction.set_rollback(True)


@pytest.mark.parametrize(
    ("write", "number"), [(save, 2), (update, 0), (create_many, 2), (delete, 0), (roll_back, 1)]
)
def test_each_write_of_djangos_orm_is_found(
    shop: Shop, write: Callable[[Shop], None], number: int
) -> None:
    shop.index(SearchTable(SearchIndex("stock_item", ("name",), rowid="id")))
    found = "SELECT rowid FROM stock_item_search WHERE stock_item_search MATCH 'hammer'"
    assert shop.rows(found) == [(1,)]

    write(shop)

    assert len(shop.rows(found)) == number
