"""Django's deletes and relations of mirrored models: all that goes or comes along is captured."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.admin.shop import Shop


def test_delete_of_an_object_and_of_a_queryset(shop: Shop) -> None:
    shop.Item.objects.get(pk=1).delete()
    assert shop.Item.objects.filter(category__code="toys").delete()[0] == 1
    assert shop.rows("SELECT name FROM stock_item") == [("Saw",)]
    assert sorted(shop.told()) == [
        ("delete", "Bear"),
        ("delete", "Hammer"),
        ("update", "Hammer"),  # Django takes its tags before it
    ]


def test_children_by_a_nullable_key_go_before_their_parent(shop: Shop) -> None:
    shop.Item.objects.filter(pk=2).update(parent_id=1)
    shop.Item.objects.get(pk=1).delete()
    assert shop.rows("SELECT name FROM stock_item") == [("Bear",)]
    assert sorted(shop.told()[1:]) == [
        ("delete", "Hammer"),
        ("delete", "Saw"),
        ("update", "Hammer"),  # Django takes its tags before it
    ]


def test_a_row_that_is_referred_to_is_protected(shop: Shop) -> None:
    from django.contrib.auth import get_user_model
    from django.db.models import ProtectedError

    clerk = get_user_model().objects.get(username="clerk")
    shop.Item.objects.filter(pk=1).update(keeper=clerk)
    with pytest.raises(ProtectedError):
        clerk.delete()


def test_a_managers_add_remove_set_and_clear(shop: Shop) -> None:
    item, tags = shop.Item.objects.get(pk=2), list(shop.Tag.objects.order_by("pk"))

    def held() -> list[Any]:
        query = "SELECT tag_id FROM stock_item_tag WHERE item_id = 2 ORDER BY tag_id"
        return [tag for (tag,) in shop.rows(query)]

    steps: list[tuple[Callable[[], Any], list[int]]] = [
        (lambda: item.tags.add(*tags), [1, 2]),
        (lambda: item.tags.add(tags[0]), [1, 2]),
        (lambda: item.tags.remove(tags[0]), [2]),
        (lambda: item.tags.set([tags[0]]), [1]),
        (item.tags.clear, []),
        (lambda: tags[1].items.add(item), [2]),  # the other side
        (tags[1].items.clear, []),
    ]
    for act, expected in steps:
        act()
        assert held() == expected


def test_rows_of_an_association_are_added_and_removed_but_not_changed(shop: Shop) -> None:
    from django.db import NotSupportedError

    through = shop.Item.tags.through
    with pytest.raises(NotSupportedError, match="add to the relation"):
        through.objects.update(tag_id=2)


def test_a_relation_to_what_does_not_exist_is_an_integrity_error(shop: Shop) -> None:
    from django.db import IntegrityError

    with pytest.raises(IntegrityError):
        shop.Item.objects.get(pk=2).tags.add(99)
    with pytest.raises(IntegrityError):
        shop.Item.objects.filter(pk=2).update(category_id="none")


def test_loading_fixtures_passes_too(shop: Shop) -> None:
    from django.core import serializers

    item = shop.Item.objects.get(pk=1)
    dump = serializers.serialize("json", [item]).replace("Hammer", "Mallet")
    for each in serializers.deserialize("json", dump):
        each.save()
    assert shop.told() == [("update", "Mallet")]
