"""Django's ORM on mirrored models: every write, whatever called it, is SQLAlchemy's work."""

import datetime as dt
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from sqlalchemy import text

from tests.admin.house import House, engine_of
from trivet.features import Feature


class Shop:
    """The mirrors of `stock`, and the database as another connection sees it."""

    def __init__(self, url: str) -> None:
        from django.apps import apps

        self._engine = engine_of(url)
        self.Item: Any = apps.get_model("stock", "Item")
        self.Tag: Any = apps.get_model("stock", "Tag")
        self.Category: Any = apps.get_model("stock", "Category")
        self.Supplier: Any = apps.get_model("stock", "Supplier")
        self.Specimen: Any = apps.get_model("stock", "Specimen")

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with self._engine.connect() as connection:
            return [tuple(row) for row in connection.execute(text(query))]

    def told(self) -> list[tuple[str, str]]:
        """(kind, name) of every publication, in the order of its channel."""
        query = 'SELECT data FROM trivet_publication ORDER BY channel, "offset"'
        decoded = [msgspec.json.decode(data) for (data,) in self.rows(query)]
        return [(each["kind"], each["name"]) for each in decoded]

    def close(self) -> None:
        self._engine.dispose()


@pytest.fixture
def shop(shelves: None, stock: tuple[Feature, ...], database_url: str) -> Iterator[Shop]:
    shop = Shop(database_url)
    yield shop
    shop.close()


class TestEveryWay:
    """Each write is captured exactly once, and its rules hold."""

    def test_save_of_a_new_object(self, shop: Shop) -> None:
        item = shop.Item(name=" drill", category_id="tools")
        item.save()
        assert (item.pk, item.name, item.version) == (4, "Drill", 1)
        assert shop.told() == [("insert", "Drill")]

    def test_save_of_a_loaded_object_raises_its_version(self, shop: Shop) -> None:
        item = shop.Item.objects.get(pk=1)
        item.quantity = 6
        item.save()
        item.quantity = 7
        item.save()
        assert item.version == 3
        assert shop.told() == [("update", "Hammer"), ("update", "Hammer")]

    def test_save_with_an_expression(self, shop: Shop) -> None:
        from django.db.models import F

        item = shop.Item.objects.get(pk=1)
        item.quantity = F("quantity") + 2
        item.save()
        assert (item.quantity, item.version) == (7, 2)

    def test_save_of_chosen_fields(self, shop: Shop) -> None:
        item = shop.Item.objects.get(pk=1)
        item.name, item.quantity = "Mallet", 9
        item.save(update_fields=["quantity"])
        assert shop.rows("SELECT name, quantity FROM stock_item WHERE id = 1") == [("Hammer", 9)]
        assert (item.name, item.version) == ("Mallet", 2)

    def test_save_of_an_object_with_deferred_fields(self, shop: Shop) -> None:
        item = shop.Item.objects.only("quantity").get(pk=1)
        item.quantity = 9
        item.save()
        assert shop.rows("SELECT name, quantity FROM stock_item WHERE id = 1") == [("Hammer", 9)]

    def test_create_with_an_expression(self, shop: Shop) -> None:
        from django.db.models import Value
        from django.db.models.functions import Concat, Now

        name = Concat(Value("screw"), Value("driver"))
        assert shop.Item.objects.create(name=name, category_id="tools").name == "Screwdriver"
        specimen = shop.Specimen.objects.create(instant=Now())
        assert specimen.instant.tzinfo is not None

    def test_create_with_a_key_that_exists_is_an_integrity_error(self, shop: Shop) -> None:
        from django.db import IntegrityError

        with pytest.raises(IntegrityError):
            shop.Category.objects.create(code="tools", name="Other")
        assert shop.rows("SELECT name FROM stock_category WHERE code = 'tools'") == [("Tools",)]

    def test_get_or_create_and_update_or_create(self, shop: Shop) -> None:
        values = {"name": "Drill", "category_id": "tools"}
        _, first = shop.Item.objects.get_or_create(sku="D1", defaults=values)
        _, second = shop.Item.objects.get_or_create(sku="D1", defaults=values)
        shop.Item.objects.update_or_create(sku="D1", defaults={"quantity": 4})
        assert (first, second) == (True, False)
        assert shop.told() == [("insert", "Drill"), ("update", "Drill")]

    def test_bulk_create_gives_keys_back(self, shop: Shop) -> None:
        items = shop.Item.objects.bulk_create(
            shop.Item(name=name, category_id="tools") for name in ("axe", "awl")
        )
        assert [item.pk for item in items] == [4, 5]
        assert shop.rows("SELECT name FROM stock_item WHERE id > 3 ORDER BY id") == [
            ("Axe",),
            ("Awl",),
        ]
        assert shop.told() == [("insert", "Axe"), ("insert", "Awl")]

    def test_bulk_create_with_a_conflict_clause_says_what_to_do_instead(self, shop: Shop) -> None:
        from django.db import NotSupportedError

        with pytest.raises(NotSupportedError, match="create the rest"):
            shop.Item.objects.bulk_create(
                [shop.Item(name="Hammer", category_id="tools")], ignore_conflicts=True
            )

    def test_bulk_update(self, shop: Shop) -> None:
        items = list(shop.Item.objects.order_by("pk"))
        for number, item in enumerate(items):
            item.quantity = number + 10
        assert shop.Item.objects.bulk_update(items, ["quantity"]) == 3
        query = "SELECT quantity, version FROM stock_item ORDER BY id"
        assert shop.rows(query) == [(10, 2), (11, 2), (12, 2)]
        assert len(shop.told()) == 3

    def test_update_of_a_queryset(self, shop: Shop) -> None:
        from django.db.models import F

        changed = shop.Item.objects.filter(category__name="Tools").update(
            quantity=F("quantity") * 2 + 1, supplier=shop.Supplier.objects.get()
        )
        assert changed == 2
        query = "SELECT quantity, supplier_id, version FROM stock_item ORDER BY id"
        assert shop.rows(query) == [(11, 1, 2), (1, 1, 2), (3, None, 1)]
        assert sorted(shop.told()) == [("update", "Hammer"), ("update", "Saw")]

    def test_writes_of_what_an_aggregate_chose(self, shop: Shop) -> None:
        from django.db.models import Count

        chosen = shop.Item.objects.annotate(n=Count("tags")).filter(n__gt=0)
        assert chosen.update(quantity=9) == 1
        assert chosen.delete()[0] == 2  # the item and its tag's row
        assert shop.told() == [
            ("update", "Hammer"),
            ("update", "Hammer"),  # Django takes its tags before it
            ("delete", "Hammer"),
        ]

    def test_update_of_nothing(self, shop: Shop) -> None:
        assert shop.Item.objects.filter(pk=99).update(quantity=1) == 0
        assert shop.Item.objects.none().update(quantity=1) == 0

    def test_update_of_a_value_that_the_class_refuses(self, shop: Shop) -> None:
        from django.core.exceptions import ValidationError

        with pytest.raises(ValidationError) as refused:
            shop.Item.objects.update(name="forbidden fruit")
        assert list(refused.value.message_dict) == ["name"]
        assert shop.told() == []

    def test_more_rows_than_one_statement_holds(self, shop: Shop) -> None:
        shop.Item.objects.bulk_create(
            shop.Item(name=f"Nail {n}", category_id="toys") for n in range(1100)
        )
        assert shop.Item.objects.filter(name__startswith="Nail").update(quantity=1) == 1100
        deleted, _ = shop.Item.objects.filter(name__startswith="Nail").delete()
        assert deleted == 1100
        assert len(shop.told()) == 3300

    def test_delete_of_an_object_and_of_a_queryset(self, shop: Shop) -> None:
        shop.Item.objects.get(pk=1).delete()
        assert shop.Item.objects.filter(category__code="toys").delete()[0] == 1
        assert shop.rows("SELECT name FROM stock_item") == [("Saw",)]
        assert sorted(shop.told()) == [
            ("delete", "Bear"),
            ("delete", "Hammer"),
            ("update", "Hammer"),  # Django takes its tags before it
        ]

    def test_children_by_a_nullable_key_go_before_their_parent(self, shop: Shop) -> None:
        shop.Item.objects.filter(pk=2).update(parent_id=1)
        shop.Item.objects.get(pk=1).delete()
        assert shop.rows("SELECT name FROM stock_item") == [("Bear",)]
        assert sorted(shop.told()[1:]) == [
            ("delete", "Hammer"),
            ("delete", "Saw"),
            ("update", "Hammer"),  # Django takes its tags before it
        ]

    def test_a_row_that_is_referred_to_is_protected(self, shop: Shop) -> None:
        from django.contrib.auth import get_user_model
        from django.db.models import ProtectedError

        clerk = get_user_model().objects.get(username="clerk")
        shop.Item.objects.filter(pk=1).update(keeper=clerk)
        with pytest.raises(ProtectedError):
            clerk.delete()

    def test_a_managers_add_remove_set_and_clear(self, shop: Shop) -> None:
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

    def test_rows_of_an_association_are_added_and_removed_but_not_changed(self, shop: Shop) -> None:
        from django.db import NotSupportedError

        through = shop.Item.tags.through
        with pytest.raises(NotSupportedError, match="add to the relation"):
            through.objects.update(tag_id=2)

    def test_a_relation_to_what_does_not_exist_is_an_integrity_error(self, shop: Shop) -> None:
        from django.db import IntegrityError

        with pytest.raises(IntegrityError):
            shop.Item.objects.get(pk=2).tags.add(99)
        with pytest.raises(IntegrityError):
            shop.Item.objects.filter(pk=2).update(category_id="none")

    def test_loading_fixtures_passes_too(self, shop: Shop) -> None:
        from django.core import serializers

        item = shop.Item.objects.get(pk=1)
        dump = serializers.serialize("json", [item]).replace("Hammer", "Mallet")
        for each in serializers.deserialize("json", dump):
            each.save()
        assert shop.told() == [("update", "Mallet")]


class TestUnits:
    """Every outermost atomic() is a unit: its publications are there when it has committed."""

    def test_nothing_is_told_before_the_commit(self, shop: Shop) -> None:
        from django.db import transaction

        with transaction.atomic():
            shop.Item.objects.filter(pk=1).update(quantity=1)
            before = shop.told()
        assert before == []
        assert shop.told() == [("update", "Hammer")]

    def test_a_rollback_leaves_nothing(self, shop: Shop) -> None:
        from django.db import transaction

        with pytest.raises(LookupError), transaction.atomic():  # noqa: PT012  # a unit that fails
            shop.Item.objects.create(name="Drill", category_id="tools")
            shop.Item.objects.get(pk=1).delete()
            raise LookupError
        assert shop.rows("SELECT count(*) FROM stock_item") == [(3,)]
        assert shop.told() == []

    def test_a_savepoint_takes_its_own_publications_with_it_and_no_others(self, shop: Shop) -> None:
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

    def test_a_failed_write_in_a_savepoint_leaves_the_rest_whole(self, shop: Shop) -> None:
        from django.db import IntegrityError, transaction

        with transaction.atomic():
            shop.Item.objects.create(name="Before", category_id="tools")
            with pytest.raises(IntegrityError), transaction.atomic():
                shop.Item.objects.create(name="Twin", sku="S1", category_id="tools")
            shop.Item.objects.create(name="After", category_id="tools")
        assert shop.told() == [("insert", "Before"), ("insert", "After")]

    def test_a_failed_write_without_a_savepoint_cannot_be_committed(self, shop: Shop) -> None:
        from django.db import IntegrityError, transaction

        with transaction.atomic():
            shop.Item.objects.create(name="Before", category_id="tools")
            with pytest.raises(IntegrityError):
                shop.Item.objects.create(name="Twin", sku="S1", category_id="tools")
        assert shop.told() == []
        assert shop.rows("SELECT count(*) FROM stock_item") == [(3,)]

    def test_both_orms_see_each_others_uncommitted_work(self, shop: Shop) -> None:
        from django.db import connection, transaction

        from tests.admin.stock.models import Item

        with transaction.atomic():
            session = connection.session  # type: ignore[attr-defined]  # our backend
            session.add(Item(name="Drill", category_id="tools"))
            assert shop.Item.objects.get(name="Drill").quantity == 0
            shop.Item.objects.filter(name="Drill").update(quantity=8)
            assert session.query(Item).filter_by(name="Drill").one().quantity == 8
        assert shop.told() == [("insert", "Drill"), ("update", "Drill")]

    def test_what_a_service_left_unflushed_is_undone_with_its_savepoint(self, shop: Shop) -> None:
        from django.db import connection, transaction

        from tests.admin.stock.models import Item

        with transaction.atomic():
            session = connection.session  # type: ignore[attr-defined]  # our backend
            with pytest.raises(LookupError), transaction.atomic():  # noqa: PT012  # a unit that fails
                session.add(Item(name="Drill", category_id="tools"))
                raise LookupError
        assert shop.rows("SELECT count(*) FROM stock_item") == [(3,)]
        assert shop.told() == []

    def test_what_a_service_left_unflushed_is_checked_when_its_savepoint_ends(
        self, shop: Shop
    ) -> None:
        from django.db import IntegrityError, connection, transaction

        from tests.admin.stock.models import Item

        with transaction.atomic():
            session = connection.session  # type: ignore[attr-defined]  # our backend
            shop.Item.objects.create(name="Before", category_id="tools")
            with pytest.raises(IntegrityError), transaction.atomic():
                session.add(Item(name="Twin", sku="S1", category_id="tools"))
            shop.Item.objects.create(name="After", category_id="tools")
        assert shop.told() == [("insert", "Before"), ("insert", "After")]

    def test_errors_of_the_session_are_djangos(self, shop: Shop) -> None:
        from django.db import DataError, IntegrityError, connection, transaction
        from sqlalchemy.orm.attributes import set_committed_value

        from tests.admin.stock.models import Item, Specimen
        from trivet_admin.refusals import StaleEditError

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

    def test_a_service_may_not_commit(self, shop: Shop) -> None:
        from django.db import connection, transaction

        with pytest.raises(RuntimeError, match="may not commit"), transaction.atomic():
            connection.session.commit()  # type: ignore[attr-defined]  # our backend

    def test_there_is_no_session_without_a_transaction(self, shop: Shop) -> None:
        from django.db import connection
        from django.db.transaction import TransactionManagementError

        with pytest.raises(TransactionManagementError, match="no unit of work"):
            _ = connection.session  # type: ignore[attr-defined]  # our backend

    def test_work_on_commit_waits_for_the_commit(self, shop: Shop) -> None:
        from django.db import transaction

        seen: list[Any] = []
        with transaction.atomic():
            transaction.on_commit(lambda: seen.append(shop.told()))
            shop.Item.objects.filter(pk=1).update(quantity=1)
            assert seen == []
        assert seen == [[("update", "Hammer")]]

    def test_a_commit_outside_a_request_rings_the_bell(
        self, shop: Shop, built_house: House
    ) -> None:
        from django.db import transaction

        rung: list[Any] = []
        leave = built_house.platform.bell.listen(lambda channels: rung.append(dict(channels)))
        with transaction.atomic():
            shop.Item.objects.filter(category__code="tools").update(quantity=1)
        leave()
        assert rung == [{"stock:tools": 2}]


class TestStaleObjects:
    def test_an_object_whose_row_moved_on_is_not_saved(self, shop: Shop) -> None:
        from trivet_admin.refusals import StaleEditError

        mine, yours = shop.Item.objects.get(pk=1), shop.Item.objects.get(pk=1)
        yours.quantity = 1
        yours.save()
        mine.quantity = 2
        with pytest.raises(StaleEditError, match="Someone else changed this"):
            mine.save()
        with pytest.raises(StaleEditError):
            mine.save(update_fields=["quantity"])
        assert shop.rows("SELECT quantity FROM stock_item WHERE id = 1") == [(1,)]

    def test_an_object_whose_row_is_gone_is_not_inserted_again(self, shop: Shop) -> None:
        from trivet_admin.refusals import StaleEditError

        item, supplier = shop.Item.objects.get(pk=1), shop.Supplier.objects.get()
        shop.Item.objects.filter(pk=1).delete()
        shop.Supplier.objects.all().delete()
        for each in (item, supplier):
            each.name = "Ghost"
            with pytest.raises(StaleEditError, match="deleted"):
                each.save()
        assert shop.rows("SELECT count(*) FROM stock_supplier") == [(0,)]


class TestTypes:
    """What Django stores, SQLAlchemy reads and finds, and the other way round."""

    VALUES: dict[str, Any] = {  # noqa: RUF012  # read only
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

    def values(self) -> dict[str, Any]:
        from tests.admin.stock.models import Colour, Size

        return {**self.VALUES, "colour": Colour.DARK_BLUE, "size": Size.LARGE, "class_": "first"}

    def test_what_django_wrote_sqlalchemy_reads_and_finds(self, shop: Shop) -> None:
        from django.db import connection, transaction

        from tests.admin.stock.models import Specimen

        values = self.values()
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

    def test_what_sqlalchemy_wrote_django_reads_and_finds(self, shop: Shop) -> None:
        from django.db import connection, transaction

        from tests.admin.stock.models import Specimen

        values = self.values()
        with transaction.atomic():
            connection.session.add(Specimen(**values))  # type: ignore[attr-defined]  # our backend
        found = shop.Specimen.objects.get()
        for name, value in values.items():
            django_name = "class" if name == "class_" else name
            assert getattr(found, django_name) == value
            if name != "blob":
                assert shop.Specimen.objects.filter(**{django_name: value}).count() == 1, name

    def test_nothing_is_null_on_both_sides(self, shop: Shop) -> None:
        instant = dt.datetime(2013, 2, 8, tzinfo=dt.UTC)
        shop.Specimen.objects.create(instant=instant)
        nullable = ("time", "span", "document", "day", "big", "ratio", "price", "blob", "colour")
        columns = " AND ".join(f"{name} IS NULL" for name in nullable)
        assert shop.rows(f"SELECT count(*) FROM stock_specimen WHERE {columns}") == [(1,)]

    def test_a_column_that_changes_itself_does_so_at_djangos_saves(self, shop: Shop) -> None:
        instant = dt.datetime(2013, 2, 8, tzinfo=dt.UTC)
        row = shop.Specimen.objects.create(instant=instant)
        assert row.touched == 0
        row.notes = "more"
        row.save()
        assert row.touched == 7

    def test_an_update_by_an_expression_keeps_the_type(self, shop: Shop) -> None:
        from django.db.models import F, Value

        row = shop.Specimen.objects.create(instant=self.VALUES["instant"], price="1.10")
        shop.Specimen.objects.update(
            instant=F("instant") + dt.timedelta(days=1), price=F("price") * 2, notes=Value("x")
        )
        row.refresh_from_db()
        assert row.instant == self.VALUES["instant"] + dt.timedelta(days=1)
        assert row.price == Decimal("2.20")
