"""The admin's forms: every write passes SQLAlchemy, beside Django's own, in one transaction."""

import pytest

from tests.admin.house import House

pytestmark = pytest.mark.anyio

ITEM = "SELECT name, quantity, version FROM stock_item WHERE id = 1"
HAMMER = [("Hammer", 5, 1)]
LOG = "SELECT object_repr, action_flag FROM django_admin_log"


async def test_a_saved_form_changes_the_row_tells_the_channel_and_writes_the_log(
    house: House,
) -> None:
    async with house.visit("clerk") as clerk:
        page = await clerk.edit("/admin/stock/item/1/change/", name="  big hammer", quantity="7")
    assert page.status == 302, page.words
    assert await house.rows(ITEM) == [("Big hammer", 7, 2)]  # trimmed and capitalised by @validates
    assert [(t.offset, t.kind, t.name, t.old, t.actor) for t in await house.told()] == [
        (1, "update", "Big hammer", {"name": "Hammer", "quantity": 5}, "clerk")
    ]
    assert await house.rows(LOG) == [("tools/Big hammer", 2)]


async def test_an_added_item_gets_its_key_its_defaults_and_its_tags(house: House) -> None:
    async with house.visit() as boss:
        page = await boss.edit(
            "/admin/stock/item/add/", name="drill", category="tools", sku="", tags=["1", "2"]
        )
    assert page.status == 302, page.words
    query = "SELECT name, sku, quantity, version FROM stock_item WHERE id = 4"
    assert await house.rows(query) == [("Drill", None, 0, 1)]
    tags = "SELECT tag_id FROM stock_item_tag WHERE item_id = 4 ORDER BY tag_id"
    assert await house.rows(tags) == [(1,), (2,)]
    # Its tags come after it: a membership is a change of its own.
    assert [(t.kind, t.name) for t in await house.told()] == [
        ("insert", "Drill"),
        ("update", "Drill"),
    ]
    assert await house.rows(LOG) == [("tools/Drill", 1)]


async def test_a_key_that_is_made_up_is_not_asked_for(house: House) -> None:
    async with house.visit() as boss:
        page = await boss.get("/admin/stock/specimen/add/")
    assert "id" not in page.form
    assert "instant_0" in page.form


async def test_the_key_of_a_row_is_typed_once_and_then_shown(house: House) -> None:
    async with house.visit() as boss:
        page = await boss.edit("/admin/stock/category/add/", code="cups", name="Cups")
        assert page.status == 302, page.words
        page = await boss.get("/admin/stock/category/cups/change/")
        assert "code" not in page.form
        assert page.words.index("Code: cups") < page.words.index("Name:")
        page = await boss.send(page, name="Mugs", code="mugs")
    assert page.status == 302, page.words
    query = "SELECT code, name FROM stock_category WHERE code IN ('cups', 'mugs')"
    assert await house.rows(query) == [("cups", "Mugs")]


async def test_a_form_that_changes_nothing_writes_no_version_and_tells_nothing(
    house: House,
) -> None:
    async with house.visit() as boss:
        page = await boss.edit("/admin/stock/item/1/change/")
    assert page.status == 302
    assert await house.rows(ITEM) == HAMMER
    assert await house.told() == []


async def test_a_deleted_item_takes_its_tags_with_it_and_is_told(house: House) -> None:
    async with house.visit() as boss:
        page = await boss.edit("/admin/stock/item/1/delete/")
    assert page.status == 302, page.words
    assert await house.rows(ITEM) == []
    assert await house.rows("SELECT * FROM stock_item_tag") == []
    assert [(t.kind, t.name) for t in await house.told()] == [
        ("update", "Hammer"),  # Django takes its tags first
        ("delete", "Hammer"),
    ]
    assert await house.rows(LOG) == [("tools/Hammer", 3)]


async def test_a_deleted_category_takes_its_items_with_it_and_each_is_told(house: House) -> None:
    async with house.visit() as boss:
        page = await boss.get("/admin/stock/category/tools/delete/")
        assert "tools/Hammer" in page.words
        page = await boss.send(page)
    assert page.status == 302, page.words
    assert await house.rows("SELECT name FROM stock_item") == [("Bear",)]
    told = await house.told()
    # The update is Hammer's tag, which Django takes first.
    assert sorted((t.kind, t.name) for t in told) == [
        ("delete", "Hammer"),
        ("delete", "Saw"),
        ("update", "Hammer"),
    ]
    assert [t.offset for t in told] == [1, 2, 3]


async def test_a_deleted_supplier_leaves_its_items_and_their_change_is_told(house: House) -> None:
    async with house.visit() as boss:
        page = await boss.edit("/admin/stock/supplier/1/delete/")
    assert page.status == 302, page.words
    assert await house.value("SELECT supplier_id FROM stock_item WHERE id = 1") is None
    assert [(t.kind, t.old) for t in await house.told()] == [("update", {"supplier_id": 1})]


async def test_a_tag_in_use_can_be_deleted_and_leaves_the_item(house: House) -> None:
    async with house.visit() as boss:
        page = await boss.edit("/admin/stock/tag/1/delete/")
    assert page.status == 302, page.words
    assert await house.rows("SELECT * FROM stock_item_tag") == []
    assert await house.rows(ITEM) == HAMMER


async def test_tags_are_taken_off_and_put_on_in_the_form(house: House) -> None:
    async with house.visit() as boss:
        page = await boss.get("/admin/stock/item/1/change/")
        assert page.form["tags"] == ["1"]
        page = await boss.send(page, tags=["2"])
    assert page.status == 302, page.words
    assert await house.rows("SELECT item_id, tag_id FROM stock_item_tag") == [(1, 2)]


async def test_rows_in_an_inline_are_changed_added_and_removed_with_their_parent(
    house: House,
) -> None:
    async with house.visit() as boss:
        page = await boss.get("/admin/stock/category/tools/change/")
        added = {"items-2-name": "drill", "items-2-quantity": "1", "items-TOTAL_FORMS": "3"}
        page = await boss.send(
            page, **{"name": "Hand tools", "items-0-quantity": "9", "items-1-DELETE": "on"} | added
        )
    assert page.status == 302, page.words
    query = "SELECT name, quantity, version FROM stock_item WHERE category_id = 'tools' ORDER BY id"
    assert await house.rows(query) == [("Hammer", 9, 2), ("Drill", 1, 1)]
    assert await house.value("SELECT name FROM stock_category WHERE code = 'tools'") == "Hand tools"
    kinds = {(t.kind, t.name) for t in await house.told()}
    assert kinds == {("update", "Hammer"), ("delete", "Saw"), ("insert", "Drill")}


async def test_history_shows_who_changed_what(house: House) -> None:
    async with house.visit("clerk") as clerk:
        await clerk.edit("/admin/stock/item/1/change/", quantity="6")
        page = await clerk.get("/admin/stock/item/1/history/")
    assert page.status == 200
    assert "clerk" in page.words
    assert "Changed Quantity." in page.words


class TestRefusedInput:
    """The form comes back with the reason at its field; nothing was written, nothing told."""

    @pytest.mark.parametrize(
        ("values", "field", "sentence"),
        [
            ({"name": "forbidden fruit"}, "name", "'forbidden fruit' may not be sold"),
            ({"name": ""}, "name", "This field is required."),
            ({"name": "x" * 31}, "name", "at most 30 characters"),
            ({"quantity": "many"}, "quantity", "Enter a whole number."),
            ({"sku": "S1"}, "sku", "Item with this Sku already exists."),
        ],
    )
    async def test_a_value_is_refused_at_its_field(
        self, house: House, values: dict[str, str], field: str, sentence: str
    ) -> None:
        async with house.visit() as boss:
            page = await boss.edit("/admin/stock/item/1/change/", **values)
        assert page.status == 200
        assert sentence in page.error_at(field)
        assert page.form[field] == next(iter(values.values()))
        await self.nothing_happened(house)

    async def test_a_check_constraint_is_explained(self, house: House) -> None:
        async with house.visit() as boss:
            page = await boss.edit("/admin/stock/item/1/change/", quantity="-1")
        assert page.status == 200
        assert "quantity_not_negative" in page.words
        assert page.text.count("Error: ") == 1  # in the title
        assert page.form["quantity"] == "-1"
        await self.nothing_happened(house)

    async def test_uniqueness_over_two_columns_is_explained(self, house: House) -> None:
        async with house.visit() as boss:
            page = await boss.edit("/admin/stock/item/1/change/", name="Saw")
        assert page.status == 200
        assert "already exists" in page.words
        await self.nothing_happened(house)

    async def test_uniqueness_that_only_the_written_value_breaks_is_explained(
        self, house: House
    ) -> None:
        """The form checks what was typed, the database what @validates made of it."""
        async with house.visit() as boss:
            page = await boss.edit("/admin/stock/item/1/change/", name="saw")
        assert page.status == 200, page.words
        assert "there is already an item with this category and name" in page.words
        await self.nothing_happened(house)

    @pytest.mark.parametrize(
        ("quantity", "sentence", "at_its_field"),
        [("13", "Thirteen brings bad luck.", True), ("14", "The shelf is full.", False)],
    )
    async def test_what_the_domain_refuses_is_told_and_undone(
        self, house: House, quantity: str, sentence: str, at_its_field: bool
    ) -> None:
        async with house.visit() as boss:
            page = await boss.edit("/admin/stock/item/1/change/", quantity=quantity)
        assert page.status == 200
        assert sentence in page.words
        assert (sentence in page.error_at("quantity")) is at_its_field
        await self.nothing_happened(house)

    async def test_a_refused_deletion_is_a_message_and_undone(self, house: House) -> None:
        async with house.visit() as boss:
            await boss.edit("/admin/stock/supplier/1/change/", name="Eternal")
            page = await boss.edit("/admin/stock/supplier/1/delete/")
            assert page.status == 302
            assert "This supplier is eternal." in (await boss.get("/admin/")).words
        assert await house.value("SELECT count(*) FROM stock_supplier") == 1
        assert await house.value("SELECT supplier_id FROM stock_item WHERE id = 1") == 1

    async def test_two_faults_are_told_together(self, house: House) -> None:
        async with house.visit() as boss:
            page = await boss.edit("/admin/stock/item/1/change/", name="forbidden", quantity="many")
        assert page.error_at("name")
        assert page.error_at("quantity")
        await self.nothing_happened(house)

    async def nothing_happened(self, house: House) -> None:
        assert await house.rows(ITEM) == HAMMER
        assert await house.told() == []
        assert await house.rows(LOG) == []


async def test_a_form_has_a_field_for_every_type_and_writes_what_was_typed(
    house: House,
) -> None:
    typed = {
        "instant_0": "2013-02-08",
        "instant_1": "17:30:00",
        "time": "06:05:00",
        "span": "01:00:00",
        "document": '{"a": 1}',
        "day": "2013-02-09",
        "big": "1099511627776",
        "ratio": "0.5",
        "price": "12.30",
        "checked": "on",
        "notes": "a note",
        "colour": "dark-blue",
        "size": "L",
        "class": "first",
    }
    async with house.visit() as boss:
        page = await boss.get("/admin/stock/specimen/add/")
        assert (page.form["size"], page.form["colour"]) == ("S", "")
        assert {"touched", "blob"}.isdisjoint(page.form)  # changes itself; no text
        page = await boss.send(page, **typed)
        assert page.status == 302, page.words
        listed = await boss.get("/admin/stock/specimen/")
        path = next(part for part in listed.text.split('"') if part.endswith("/change/"))
        page = await boss.get(path)
        again = {name: page.form[name] for name in typed}
        assert again == typed
        assert page.form["created_by"] == "the database"
        page = await boss.send(page, colour="mauve")
        assert "mauve is not one of the available choices" in page.error_at("colour")
        page = await boss.edit(path, colour="", notes="")
        assert page.status == 302, page.words
    assert await house.rows("SELECT colour, size, touched FROM stock_specimen") == [(None, "L", 7)]


class TestStaleEdits:
    async def test_an_edit_of_an_old_version_is_a_conflict_and_loses_nothing(
        self, house: House
    ) -> None:
        async with house.visit() as boss, house.visit("clerk") as clerk:
            page = await boss.get("/admin/stock/item/1/change/")
            assert (await clerk.edit("/admin/stock/item/1/change/", quantity="8")).status == 302
            page = await boss.send(page, quantity="2")
            assert page.status == 200
            assert "Someone else changed this" in page.words
            assert page.form["quantity"] == "2"
            again = await boss.send(page)  # stubbornness does not help
            assert again.status == 200
        assert await house.rows(ITEM) == [("Hammer", 8, 2)]
        assert len(await house.told()) == 1

    async def test_a_form_without_its_version_is_refused(self, house: House) -> None:
        async with house.visit() as boss:
            page = await boss.edit("/admin/stock/item/1/change/", quantity="2", version=None)
        assert page.status == 200
        assert "without the version" in page.words
        assert await house.rows(ITEM) == HAMMER

    async def test_the_version_is_no_field_that_people_see(self, house: House) -> None:
        async with house.visit() as boss:
            page = await boss.get("/admin/stock/item/1/change/")
            new = await boss.get("/admin/stock/item/add/")
        assert '<input type="hidden" name="version" value="1"' in page.text
        assert '<div class="form-row hidden field-version">' in page.text
        assert "version" not in new.form

    async def test_an_edit_of_a_deleted_item_does_not_bring_it_back(self, house: House) -> None:
        async with house.visit() as boss, house.visit() as other:
            page = await boss.get("/admin/stock/item/1/change/")
            await other.edit("/admin/stock/item/1/delete/")
            page = await boss.send(page, quantity="2")
        assert page.status == 302  # Django says so on the index
        assert await house.rows(ITEM) == []


class TestOneOutcome:
    """An error at any point leaves nothing of either ORM's work."""

    async def test_a_feed_that_fails_at_the_flush_undoes_row_and_log(self, house: House) -> None:
        async with house.visit() as boss:
            boss.may_fail()
            page = await boss.edit("/admin/stock/item/1/change/", name="poison")
        assert page.status == 500
        assert await house.rows(ITEM) == HAMMER
        assert await house.rows(LOG) == []
        assert await house.told() == []

    async def test_a_publication_that_cannot_be_written_undoes_row_and_log(
        self, house: House
    ) -> None:
        async with house.platform.database.unit() as session:
            await session.run_sync(_forbid_publications)
        async with house.visit() as boss:
            boss.may_fail()
            page = await boss.edit("/admin/stock/item/1/change/", quantity="6")
        assert page.status in {409, 500}  # SQLite calls what its trigger raises a constraint
        assert await house.rows(ITEM) == HAMMER
        assert await house.rows(LOG) == []

    async def test_a_log_entry_that_cannot_be_written_undoes_the_row(self, house: House) -> None:
        async with house.platform.database.unit() as session:
            await session.run_sync(_forbid_log)
        async with house.visit() as boss:
            boss.may_fail()
            page = await boss.edit("/admin/stock/item/1/change/", quantity="6")
        assert page.status >= 400 or "contradicts" in page.words
        assert await house.rows(ITEM) == HAMMER
        assert await house.told() == []


def _forbid_publications(session: object) -> None:
    _forbid(session, "trivet_publication")


def _forbid_log(session: object) -> None:
    _forbid(session, "django_admin_log")


def _forbid(session: object, table: str) -> None:
    """Have the database itself refuse every insert into `table`."""
    from sqlalchemy import text
    from sqlalchemy.orm import Session

    assert isinstance(session, Session)
    connection = session.connection()
    if connection.dialect.name == "sqlite":
        statements = [
            f"CREATE TRIGGER no_{table} BEFORE INSERT ON {table} "
            "BEGIN SELECT RAISE(FAIL, 'the disk is full'); END"
        ]
    else:
        statements = [
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN RAISE EXCEPTION 'the disk is full'; END $$",
            f"CREATE TRIGGER no_{table} BEFORE INSERT ON {table} "
            "FOR EACH ROW EXECUTE FUNCTION refuse()",
        ]
    for statement in statements:
        connection.execute(text(statement))
