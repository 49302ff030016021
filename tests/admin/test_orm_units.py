"""Every outermost atomic() is a unit: its publications are there when it has committed."""

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest

from tests.admin.house import House
from tests.admin.shop import Shop
from trivet.events.wake_up import WakeUp


def test_nothing_is_told_before_the_commit(shop: Shop) -> None:
    from django.db import transaction

    with transaction.atomic():
        shop.Item.objects.filter(pk=1).update(quantity=1)
        before = shop.told()
    assert before == []
    assert shop.told() == [("update", "Hammer")]


def test_a_rollback_leaves_nothing(shop: Shop) -> None:
    from django.db import transaction

    with pytest.raises(LookupError), transaction.atomic():  # noqa: PT012  # a unit that fails
        shop.Item.objects.create(name="Drill", category_id="tools")
        shop.Item.objects.get(pk=1).delete()
        raise LookupError
    assert shop.rows("SELECT count(*) FROM stock_item") == [(3,)]
    assert shop.told() == []


def test_a_savepoint_takes_its_own_publications_with_it_and_no_others(shop: Shop) -> None:
    from django.db import transaction

    with transaction.atomic():
        shop.Item.objects.create(name="Before", category_id="tools")
        with pytest.raises(LookupError), transaction.atomic():  # noqa: PT012  # a unit that fails
            shop.Item.objects.create(name="Inside", category_id="tools")
            with transaction.atomic():
                shop.Item.objects.create(name="Deeper", category_id="tools")
            raise LookupError
        shop.Item.objects.create(name="After", category_id="tools")
    assert shop.told() == [("insert", "Before"), ("insert", "After")]
    query = "SELECT name FROM stock_item WHERE id > 3 ORDER BY id"
    assert shop.rows(query) == [("Before",), ("After",)]


def test_a_failed_write_in_a_savepoint_leaves_the_rest_whole(shop: Shop) -> None:
    from django.db import IntegrityError, transaction

    with transaction.atomic():
        shop.Item.objects.create(name="Before", category_id="tools")
        with pytest.raises(IntegrityError), transaction.atomic():
            shop.Item.objects.create(name="Twin", sku="S1", category_id="tools")
        shop.Item.objects.create(name="After", category_id="tools")
    assert shop.told() == [("insert", "Before"), ("insert", "After")]


def test_a_failed_write_without_a_savepoint_cannot_be_committed(shop: Shop) -> None:
    from django.db import IntegrityError, transaction

    with transaction.atomic():
        shop.Item.objects.create(name="Before", category_id="tools")
        with pytest.raises(IntegrityError):
            shop.Item.objects.create(name="Twin", sku="S1", category_id="tools")
    assert shop.told() == []
    assert shop.rows("SELECT count(*) FROM stock_item") == [(3,)]


def test_both_orms_see_each_others_uncommitted_work(shop: Shop) -> None:
    from django.db import connection, transaction

    from tests.admin.stock.models import Item

    with transaction.atomic():
        session = connection.session  # type: ignore[attr-defined]  # our backend
        session.add(Item(name="Drill", category_id="tools"))
        assert shop.Item.objects.get(name="Drill").quantity == 0
        shop.Item.objects.filter(name="Drill").update(quantity=8)
        assert session.query(Item).filter_by(name="Drill").one().quantity == 8
    assert shop.told() == [("insert", "Drill"), ("update", "Drill")]


def test_what_a_service_left_unflushed_is_undone_with_its_savepoint(shop: Shop) -> None:
    from django.db import connection, transaction

    from tests.admin.stock.models import Item

    with transaction.atomic():
        session = connection.session  # type: ignore[attr-defined]  # our backend
        with pytest.raises(LookupError), transaction.atomic():  # noqa: PT012  # a unit that fails
            session.add(Item(name="Drill", category_id="tools"))
            raise LookupError
    assert shop.rows("SELECT count(*) FROM stock_item") == [(3,)]
    assert shop.told() == []


def test_what_a_service_left_unflushed_is_checked_when_its_savepoint_ends(shop: Shop) -> None:
    from django.db import IntegrityError, connection, transaction

    from tests.admin.stock.models import Item

    with transaction.atomic():
        session = connection.session  # type: ignore[attr-defined]  # our backend
        shop.Item.objects.create(name="Before", category_id="tools")
        with pytest.raises(IntegrityError), transaction.atomic():
            session.add(Item(name="Twin", sku="S1", category_id="tools"))
        shop.Item.objects.create(name="After", category_id="tools")
    assert shop.told() == [("insert", "Before"), ("insert", "After")]


def test_errors_of_the_session_are_djangos(shop: Shop) -> None:
    from django.db import DataError, IntegrityError, connection, transaction
    from sqlalchemy.orm.attributes import set_committed_value

    from tests.admin.stock.models import Item, Specimen
    from trivet_admin.errors.to_django import StaleEditError

    def stale(session: Any) -> None:
        item = session.get(Item, 1)
        set_committed_value(item, "version", 99)
        item.quantity = 1

    deeds: list[tuple[type[Exception], Callable[[Any], Any]]] = [
        (StaleEditError, stale),
        (DataError, lambda s: s.add(Specimen(instant=dt.datetime(2013, 2, 8)))),  # noqa: DTZ001  # naive
        (IntegrityError, lambda s: s.add(Item(name="x", category_id="none"))),
    ]
    for error, deed in deeds:
        with pytest.raises(error), transaction.atomic():  # noqa: PT012  # a unit that fails
            deed(connection.session)  # type: ignore[attr-defined]  # our backend
            shop.Item.objects.count()
    assert shop.told() == []


def test_a_service_may_not_commit(shop: Shop) -> None:
    from django.db import connection, transaction

    with pytest.raises(RuntimeError, match="may not commit"), transaction.atomic():
        connection.session.commit()  # type: ignore[attr-defined]  # our backend


def test_there_is_no_session_without_a_transaction(shop: Shop) -> None:
    from django.db import connection
    from django.db.transaction import TransactionManagementError

    with pytest.raises(TransactionManagementError, match="no unit of work"):
        _ = connection.session  # type: ignore[attr-defined]  # our backend


def test_work_on_commit_waits_for_the_commit(shop: Shop) -> None:
    from django.db import transaction

    seen: list[Any] = []
    with transaction.atomic():
        transaction.on_commit(lambda: seen.append(shop.told()))
        shop.Item.objects.filter(pk=1).update(quantity=1)
        assert seen == []
    assert seen == [[("update", "Hammer")]]


def test_a_commit_outside_a_request_wakes_the_delivery(shop: Shop, built_house: House) -> None:
    from django.db import transaction

    woken: list[dict[str, int]] = []
    leave = built_house.platform.broker.subscribe(WakeUp, lambda m: woken.append(m.offsets))
    with transaction.atomic():
        shop.Item.objects.filter(category__code="tools").update(quantity=1)
    leave()
    assert woken == [{"stock:tools": 2}]
