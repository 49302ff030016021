"""Django's saves and updates of mirrored models: each is captured once, and its rules hold."""

import pytest

from tests.admin.shop import Shop


def test_save_of_a_new_object(shop: Shop) -> None:
    item = shop.Item(name=" drill", category_id="tools")
    item.save()
    assert (item.pk, item.name, item.version) == (4, "Drill", 1)
    assert shop.told() == [("insert", "Drill")]


def test_save_of_a_loaded_object_raises_its_version(shop: Shop) -> None:
    item = shop.Item.objects.get(pk=1)
    item.quantity = 6
    item.save()
    item.quantity = 7
    item.save()
    assert item.version == 3
    assert shop.told() == [("update", "Hammer"), ("update", "Hammer")]


def test_save_with_an_expression(shop: Shop) -> None:
    from django.db.models import F

    item = shop.Item.objects.get(pk=1)
    item.quantity = F("quantity") + 2
    item.save()
    assert (item.quantity, item.version) == (7, 2)


@pytest.mark.database("postgresql")  # on SQLite nobody else writes meanwhile
def test_an_update_waits_for_nobody_who_refers_to_its_rows(shop: Shop) -> None:
    from django.db import connection, transaction

    with shop.refers("stock_supplier"), transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL lock_timeout = '2s'")  # in place of a test that hangs
        supplier = shop.Supplier.objects.get(pk=1)
        supplier.name = "First"
        supplier.save()
        shop.Supplier.objects.filter(pk=1).update(name="Second")
    assert shop.rows("SELECT name FROM stock_supplier WHERE id = 1") == [("Second",)]


def test_save_of_chosen_fields(shop: Shop) -> None:
    item = shop.Item.objects.get(pk=1)
    item.name, item.quantity = "Mallet", 9
    item.save(update_fields=["quantity"])
    assert shop.rows("SELECT name, quantity FROM stock_item WHERE id = 1") == [("Hammer", 9)]
    assert (item.name, item.version) == ("Mallet", 2)


def test_save_of_an_object_with_deferred_fields(shop: Shop) -> None:
    item = shop.Item.objects.only("quantity").get(pk=1)
    item.quantity = 9
    item.save()
    assert shop.rows("SELECT name, quantity FROM stock_item WHERE id = 1") == [("Hammer", 9)]


def test_create_with_an_expression(shop: Shop) -> None:
    from django.db.models import Value
    from django.db.models.functions import Concat, Now

    name = Concat(Value("screw"), Value("driver"))
    assert shop.Item.objects.create(name=name, category_id="tools").name == "Screwdriver"
    specimen = shop.Specimen.objects.create(instant=Now())
    assert specimen.instant.tzinfo is not None


def test_create_with_a_key_that_exists_is_an_integrity_error(shop: Shop) -> None:
    from django.db import IntegrityError

    with pytest.raises(IntegrityError):
        shop.Category.objects.create(code="tools", name="Other")
    assert shop.rows("SELECT name FROM stock_category WHERE code = 'tools'") == [("Tools",)]


def test_get_or_create_and_update_or_create(shop: Shop) -> None:
    values = {"name": "Drill", "category_id": "tools"}
    _, first = shop.Item.objects.get_or_create(sku="D1", defaults=values)
    _, second = shop.Item.objects.get_or_create(sku="D1", defaults=values)
    shop.Item.objects.update_or_create(sku="D1", defaults={"quantity": 4})
    assert (first, second) == (True, False)
    assert shop.told() == [("insert", "Drill"), ("update", "Drill")]


def test_bulk_create_gives_keys_back(shop: Shop) -> None:
    items = shop.Item.objects.bulk_create(
        shop.Item(name=name, category_id="tools") for name in ("axe", "awl")
    )
    assert [item.pk for item in items] == [4, 5]
    assert shop.rows("SELECT name FROM stock_item WHERE id > 3 ORDER BY id") == [
        ("Axe",),
        ("Awl",),
    ]
    assert shop.told() == [("insert", "Axe"), ("insert", "Awl")]


def test_bulk_create_with_a_conflict_clause_says_what_to_do_instead(shop: Shop) -> None:
    from django.db import NotSupportedError

    with pytest.raises(NotSupportedError, match="create the rest"):
        shop.Item.objects.bulk_create(
            [shop.Item(name="Hammer", category_id="tools")], ignore_conflicts=True
        )


def test_bulk_update(shop: Shop) -> None:
    items = list(shop.Item.objects.order_by("pk"))
    for number, item in enumerate(items):
        item.quantity = number + 10
    assert shop.Item.objects.bulk_update(items, ["quantity"]) == 3
    query = "SELECT quantity, version FROM stock_item ORDER BY id"
    assert shop.rows(query) == [(10, 2), (11, 2), (12, 2)]
    assert len(shop.told()) == 3


def test_update_of_a_queryset(shop: Shop) -> None:
    from django.db.models import F

    changed = shop.Item.objects.filter(category__name="Tools").update(
        quantity=F("quantity") * 2 + 1, supplier=shop.Supplier.objects.get()
    )
    assert changed == 2
    query = "SELECT quantity, supplier_id, version FROM stock_item ORDER BY id"
    assert shop.rows(query) == [(11, 1, 2), (1, 1, 2), (3, None, 1)]
    assert sorted(shop.told()) == [("update", "Hammer"), ("update", "Saw")]


def test_writes_of_what_an_aggregate_chose(shop: Shop) -> None:
    from django.db.models import Count

    chosen = shop.Item.objects.annotate(n=Count("tags")).filter(n__gt=0)
    assert chosen.update(quantity=9) == 1
    assert chosen.delete()[0] == 2  # the item and its tag's row
    assert shop.told() == [
        ("update", "Hammer"),
        ("update", "Hammer"),  # Django takes its tags before it
        ("delete", "Hammer"),
    ]


def test_update_of_what_an_aggregate_of_its_own_table_chose(shop: Shop) -> None:
    from django.db.models import Count

    assert shop.Item.objects.annotate(n=Count("pk")).filter(n=1).update(quantity=9) == 3


def test_writes_of_what_is_chosen_once(shop: Shop) -> None:
    chosen = shop.Item.objects.filter(name="Hammer").distinct()
    assert chosen.update(quantity=9) == 1
    assert shop.Item.objects.filter(tags__isnull=False).distinct().update(quantity=8) == 1
    assert chosen.delete()[0] == 2  # the item and its tag's row
    assert [kind for kind, _ in shop.told()] == ["update", "update", "update", "delete"]


def test_update_of_nothing(shop: Shop) -> None:
    assert shop.Item.objects.filter(pk=99).update(quantity=1) == 0
    assert shop.Item.objects.none().update(quantity=1) == 0


def test_update_of_a_value_that_the_class_refuses(shop: Shop) -> None:
    from django.core.exceptions import ValidationError

    with pytest.raises(ValidationError) as refused:
        shop.Item.objects.update(name="forbidden fruit")
    assert list(refused.value.message_dict) == ["name"]
    assert shop.told() == []


def test_more_rows_than_one_statement_holds(shop: Shop) -> None:
    shop.Item.objects.bulk_create(
        shop.Item(name=f"Nail {n}", category_id="toys") for n in range(1100)
    )
    assert shop.Item.objects.filter(name__startswith="Nail").update(quantity=1) == 1100
    deleted, _ = shop.Item.objects.filter(name__startswith="Nail").delete()
    assert deleted == 1100
    assert len(shop.told()) == 3300


def test_an_object_whose_row_moved_on_is_not_saved(shop: Shop) -> None:
    from trivet_admin.errors.to_django import StaleEditError

    mine, yours = shop.Item.objects.get(pk=1), shop.Item.objects.get(pk=1)
    yours.quantity = 1
    yours.save()
    mine.quantity = 2
    with pytest.raises(StaleEditError, match="Someone else changed this"):
        mine.save()
    with pytest.raises(StaleEditError):
        mine.save(update_fields=["quantity"])
    assert shop.rows("SELECT quantity FROM stock_item WHERE id = 1") == [(1,)]


def test_an_object_whose_row_is_gone_is_not_inserted_again(shop: Shop) -> None:
    from trivet_admin.errors.to_django import StaleEditError

    item, supplier = shop.Item.objects.get(pk=1), shop.Supplier.objects.get()
    shop.Item.objects.filter(pk=1).delete()
    shop.Supplier.objects.all().delete()
    for each in (item, supplier):
        each.name = "Ghost"
        with pytest.raises(StaleEditError, match="deleted"):
            each.save()
    assert shop.rows("SELECT count(*) FROM stock_supplier") == [(0,)]
