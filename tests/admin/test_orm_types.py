"""What Django stores, SQLAlchemy reads and finds, and the other way round."""

import datetime as dt
from decimal import Decimal
from typing import Any

from tests.admin.shop import Shop

VALUES: dict[str, Any] = {
    "instant": dt.datetime(2013, 2, 8, 17, 30, tzinfo=dt.UTC),
    "time": dt.time(6, 5),
    "span": dt.timedelta(hours=1, microseconds=7),
    "document": {"a": [1, None, "ü"]},
    "day": dt.date(2013, 2, 9),
    "big": 2**40,
    "ratio": 0.1,
    "price": Decimal("12.30"),
    "checked": True,
    "notes": "line\nline",
    "blob": b"\x00\xff",
}


def all_values() -> dict[str, Any]:
    from tests.admin.stock.models import Colour, Size

    return {**VALUES, "colour": Colour.DARK_BLUE, "size": Size.LARGE, "class_": "first"}


def test_what_django_wrote_sqlalchemy_reads_and_finds(shop: Shop) -> None:
    from django.db import connection, transaction

    from tests.admin.stock.models import Specimen

    values = all_values()
    given = {("class" if name == "class_" else name): v for name, v in values.items()}
    shop.Specimen.objects.create(**given)
    with transaction.atomic():
        session = connection.session  # type: ignore[attr-defined]  # our backend
        for name, value in values.items():
            if name != "document":  # JSON is not compared by equality in SQL
                query = session.query(Specimen).filter(getattr(Specimen, name) == value)
                assert query.count() == 1, name
        row = session.query(Specimen).one()
        assert {name: getattr(row, name) for name in values} == values
        assert (row.created_by, row.double) == ("the database", 4)


def test_what_sqlalchemy_wrote_django_reads_and_finds(shop: Shop) -> None:
    from django.db import connection, transaction

    from tests.admin.stock.models import Specimen

    values = all_values()
    with transaction.atomic():
        connection.session.add(Specimen(**values))  # type: ignore[attr-defined]  # our backend
    found = shop.Specimen.objects.get()
    for name, value in values.items():
        django_name = "class" if name == "class_" else name
        assert getattr(found, django_name) == value
        if name != "blob":
            assert shop.Specimen.objects.filter(**{django_name: value}).count() == 1, name


def test_nothing_is_null_on_both_sides(shop: Shop) -> None:
    instant = dt.datetime(2013, 2, 8, tzinfo=dt.UTC)
    shop.Specimen.objects.create(instant=instant)
    nullable = ("time", "span", "document", "day", "big", "ratio", "price", "blob", "colour")
    columns = " AND ".join(f"{name} IS NULL" for name in nullable)
    assert shop.rows(f"SELECT count(*) FROM stock_specimen WHERE {columns}") == [(1,)]


def test_a_column_that_changes_itself_does_so_at_djangos_saves(shop: Shop) -> None:
    instant = dt.datetime(2013, 2, 8, tzinfo=dt.UTC)
    row = shop.Specimen.objects.create(instant=instant)
    assert row.touched == 0
    row.notes = "more"
    row.save()
    assert row.touched == 7


def test_an_update_by_an_expression_keeps_the_type(shop: Shop) -> None:
    from django.db.models import F, Value

    row = shop.Specimen.objects.create(instant=VALUES["instant"], price="1.10")
    shop.Specimen.objects.update(
        instant=F("instant") + dt.timedelta(days=1), price=F("price") * 2, notes=Value("x")
    )
    row.refresh_from_db()
    assert row.instant == VALUES["instant"] + dt.timedelta(days=1)
    assert row.price == Decimal("2.20")
