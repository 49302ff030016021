"""A refused value is told with its attribute: by a pointer at the API, at its field in the admin.

The same refusals are tried at both doors, on both databases. A bug stays a bug.
"""

from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
from sqlalchemy import text

from tests.admin.house import ORIGIN, House

pytestmark = pytest.mark.anyio

GUESTS = (
    "INSERT INTO stock_guest (name, email, code, beds, cots, price, host_id, tag_name) VALUES "
    "('Ann', 'ann@example.org', 'a1', 2, 1, 5, NULL, NULL), "
    "('Bob', 'secret@example.org', 'b1', 1, 0, 5, 1, 'heavy')"
)
COUNT = "SELECT count(*) FROM stock_guest"


@pytest.fixture
async def house(both_doors: House) -> AsyncIterator[House]:
    """`both_doors`, with two guests."""
    async with both_doors.platform.database.engine.begin() as connection:
        await connection.execute(text(GUESTS))
    yield both_doors
    await both_doors.platform.database.close()


Errors = list[tuple[str, str]]


async def ask(house: House, method: str, path: str, body: Any = None) -> tuple[int, Errors, str]:
    """The answer of the API: status, (pointer, detail) of each error, and the text."""
    transport = httpx2.ASGITransport(app=house.app, raise_app_exceptions=False)
    async with httpx2.AsyncClient(transport=transport, base_url=ORIGIN) as client:
        answer = await client.request(method, f"/api/stock/{path}", json=body)
    found = answer.json().get("errors", []) if answer.status_code >= 400 else []
    return answer.status_code, [(e["pointer"], e["detail"]) for e in found], answer.text


NEW = {"name": "Cid"}
BY_VALIDATOR = [
    (-1, "a price is not negative"),
    (13, "thirteen brings bad luck"),
    (14, "this value is not allowed"),
    (15, "fifteen is no price"),
    (None, "a value is needed"),
]


class TestValidators:
    @pytest.mark.parametrize(("price", "sentence"), BY_VALIDATOR)
    @pytest.mark.parametrize(("method", "path"), [("POST", "Guest"), ("PATCH", "Guest/1")])
    async def test_the_api_answers_422_with_a_pointer(
        self, house: House, method: str, path: str, price: Any, sentence: str
    ) -> None:
        status, errors, _ = await ask(house, method, path, NEW | {"price": price})
        assert (status, errors) == (422, [("/price", sentence)])
        assert await house.rows("SELECT name FROM stock_guest ORDER BY id") == [("Ann",), ("Bob",)]

    async def test_an_error_of_the_domain_keeps_its_status_and_gets_the_pointer(
        self, house: House
    ) -> None:
        status, errors, _ = await ask(house, "PATCH", "Guest/1", {"price": 16})
        assert (status, errors) == (409, [("/price", "Sixteen is taken.")])

    @pytest.mark.parametrize(
        ("method", "path", "body"),
        [
            ("PATCH", "Guest/1", {"price": 17}),
            ("PATCH", "Guest/1", {"price": []}),
            ("PATCH", "Item/1", {"name": 3}),
            ("POST", "bug", None),
        ],
        ids=["another error", "TypeError for a list", "AttributeError", "elsewhere"],
    )
    async def test_a_bug_stays_a_bug(self, house: House, method: str, path: str, body: Any) -> None:
        status, errors, _ = await ask(house, method, path, body)
        # What Python says of a list in a comparison came out of the validator: it is a refusal.
        assert status == (422 if body == {"price": []} else 500)
        assert bool(errors) is (status == 422)

    async def test_none_for_a_validator_that_cannot_bear_it_is_a_refusal(
        self, house: House
    ) -> None:
        status, errors, _ = await ask(house, "PATCH", "Item/1", {"name": None})
        assert (status, errors) == (422, [("/name", "a value is needed")])

    @pytest.mark.parametrize(
        ("price", "sentence"), [(str(p), s) for p, s in BY_VALIDATOR[:4]] + [("16", "Sixteen is")]
    )
    @pytest.mark.parametrize("path", ["add/", "1/change/"])
    async def test_the_admin_says_it_at_the_field(
        self, house: House, path: str, price: str, sentence: str
    ) -> None:
        async with house.visit() as boss:
            values = {"name": "Cid", "email": "c@example.org", "price": price}
            page = await boss.edit(f"/admin/stock/guest/{path}", **values)
        assert page.status == 200
        assert sentence in page.error_at("price")
        assert page.form["name"] == "Cid"
        assert await house.rows("SELECT name FROM stock_guest ORDER BY id") == [("Ann",), ("Bob",)]

    @pytest.mark.parametrize("price", ["13", "15"])
    async def test_an_editable_list_says_it_in_its_row(self, house: House, price: str) -> None:
        async with house.visit() as boss:
            page = await boss.get("/admin/stock/guest/")
            page = await boss.send(page, **{"form-1-price": price, "_save": "Save"})
        assert page.status == 200
        assert dict(BY_VALIDATOR)[int(price)] in page.words
        assert page.form["form-1-price"] == price


def at(*attributes: str, says: str) -> Errors:
    return [(f"/{name}", says) for name in attributes]


ANN = {"name": "Ann", "email": "ann@example.org"}
TOY = {"name": "New", "category_id": "toys"}
REFUSED = [
    ("POST", "Guest", ANN,
     (409, at("name", "email", says="there is already a guest with this name and email"))),
    ("POST", "Item", TOY | {"sku": "S1"},
     (409, at("sku", says="there is already an item with this sku"))),
    ("PATCH", "Item/1", {"sku": "B1"},
     (409, at("sku", says="there is already an item with this sku"))),
    ("POST", "Category", {"code": "toys", "name": "More"},
     (409, at("code", says="there is already a category with this code"))),
    ("POST", "Guest", NEW | {"host_id": 99}, (409, at("host_id", says="there is no guest 99"))),
    ("PATCH", "Guest/2", {"host_id": 71}, (409, at("host_id", says="there is no guest 71"))),
    ("POST", "Guest", NEW | {"tag_name": "blunt"},
     (409, at("tag_name", says="there is no tag 'blunt'"))),
    ("POST", "Item", TOY | {"category_id": "none"},
     (409, at("category_id", says="there is no category 'none'"))),
    ("POST", "Item", TOY | {"keeper_id": 9999},
     (409, at("keeper_id", says="there is no user 9999"))),
    ("POST", "Guest", {"email": "x"}, (422, at("name", says="a value is needed"))),
    ("PATCH", "Guest/1", {"email": None}, (422, at("email", says="a value is needed"))),
    ("PATCH", "Guest/1", {"beds": 4, "cots": 3},
     (422, at("beds", "cots", says="beds and cots must satisfy: six people a room"))),
    ("PATCH", "Guest/1", {"code": "x"},
     (422, at("code", says="door code must satisfy: code_long"))),
    ("PATCH", "Guest/1", {"cots": -1}, (422, at("cots", says="cots must satisfy: cots >= 0"))),
    ("PATCH", "Item/1", {"quantity": -2},
     (422, at("quantity", says="quantity must satisfy: quantity_not_negative"))),
]  # fmt: skip


class TestConstraints:
    @pytest.mark.parametrize(("method", "path", "body", "expected"), REFUSED)
    async def test_the_api_names_what_was_refused(
        self, house: House, method: str, path: str, body: Any, expected: tuple[int, Errors]
    ) -> None:
        assert (await ask(house, method, path, body))[:2] == expected
        assert await house.value(COUNT) == 2

    async def test_the_row_that_refers_to_nothing_is_found_among_several(
        self, house: House
    ) -> None:
        rows = [{"name": f"Guest {n}", "host_id": host} for n, host in enumerate((1, 2, 77, 1))]
        status, errors, _ = await ask(house, "POST", "Guest/several", rows)
        assert (status, errors) == (409, [("/host_id", "there is no guest 77")])
        assert await house.value(COUNT) == 2

    async def test_what_is_still_referred_to_stays_and_says_by_what(self, house: House) -> None:
        async with house.platform.database.engine.begin() as connection:
            await connection.execute(text("DELETE FROM stock_item_tag"))
        # The guests of a tag have no relationship that SQLAlchemy would empty.
        status, _, answer = await ask(house, "DELETE", "Tag/1")
        assert status == 409
        assert "Guests still refer to this." in answer

    async def test_nothing_of_another_row_is_told(self, house: House) -> None:
        for method, path, body in [
            ("POST", "Guest", {"name": "Ann", "email": "ann@example.org"}),
            ("DELETE", "Tag/1", None),
            ("PATCH", "Guest/2", {"beds": 9}),
        ]:
            _, _, answer = await ask(house, method, path, body)
            assert "secret" not in answer
            assert "Bob" not in answer

    async def test_a_long_value_is_not_repeated(self, house: House) -> None:
        _, errors, _ = await ask(house, "POST", "Item", {"name": "N", "category_id": "c" * 400})
        assert [pointer for pointer, _ in errors] == ["/category_id"]
        assert "ccc" not in errors[0][1]

    @pytest.mark.parametrize(
        ("path", "values", "field", "sentence"),
        [
            ("guest/add/", {"code": "x"}, "code", "door code must satisfy: code_long"),
            ("item/1/change/", {"quantity": "-3"}, "quantity", "quantity_not_negative"),
            ("guest/1/change/", {"cots": "-1"}, "cots", "cots must satisfy: cots >= 0"),
            ("guest/1/change/", {"beds": "9"}, None, "must satisfy: six people a room"),
            (
                "item/1/change/",
                {"name": "saw"},
                None,
                "already an item with this category and name",
            ),
        ],
    )
    async def test_the_admin_says_it_at_the_field_or_above_the_form(
        self, house: House, path: str, values: dict[str, str], field: str | None, sentence: str
    ) -> None:
        async with house.visit() as boss:
            new = {"name": "Cid", "email": "c@example.org"} if "add" in path else {}
            page = await boss.edit(f"/admin/stock/{path}", **new, **values)
        assert page.status == 200
        assert sentence in (page.words if field is None else page.error_at(field))
        for name, value in values.items():
            assert page.form[name] == value
        assert await house.value(COUNT) == 2
        assert await house.rows("SELECT action_flag FROM django_admin_log") == []

    async def test_a_reference_that_went_meanwhile_is_told_at_its_field(self, house: House) -> None:
        """The form's own check passes before the row is gone: here a trigger takes it."""
        async with house.visit() as boss:
            page = await boss.get("/admin/stock/guest/1/change/")
            page = await boss.send(page, host="99")
        assert "Select a valid choice" in page.error_at("host")  # Django's own check comes first

    async def test_a_row_of_an_inline_says_what_is_wrong_with_it(self, house: House) -> None:
        async with house.visit() as boss:
            page = await boss.get("/admin/stock/category/tools/change/")
            page = await boss.send(page, **{"name": "Hand tools", "items-1-name": "hammer"})
        assert page.status == 200
        assert "There is already an item" in page.words or "already an item with" in page.words
        assert page.form["items-1-name"] == "hammer"
        assert await house.value("SELECT name FROM stock_category WHERE code = 'tools'") == "Tools"

    async def test_a_cell_of_an_editable_list_says_what_is_wrong_with_it(
        self, house: House
    ) -> None:
        async with house.visit() as boss:
            page = await boss.get("/admin/stock/item/")
            values = {"form-0-quantity": "8", "form-1-quantity": "-1", "_save": "Save"}
            page = await boss.send(page, **values)
        assert page.status == 200
        assert "quantity must satisfy: quantity_not_negative" in page.words
        assert (page.form["form-0-quantity"], page.form["form-1-quantity"]) == ("8", "-1")
        assert await house.value("SELECT quantity FROM stock_item WHERE id = 1") == 5


class TestValuesThatDoNotFit:
    """What PostgreSQL refuses; SQLite alone would take most of it."""

    @pytest.mark.parametrize(
        ("body", "pointer", "sentence"),
        [
            ({"name": "n" * 31}, "/name", "it has 31 characters, and at most 30 fit"),
            ({"cots": -(2**40)}, "/cots", "it must lie between -2,147,483,648 and 2,147,483,647"),
            ({"price": 1234567}, "/price", "at most 6 digits fit before the decimal point"),
            ({"email": "a\x00b"}, "/email", "it holds a NUL character, which cannot be stored"),
        ],
    )
    async def test_the_api_names_the_attribute(
        self, house: House, body: Any, pointer: str, sentence: str
    ) -> None:
        status, errors, _ = await ask(house, "POST", "Guest", NEW | body)
        assert (status, errors) == (422, [(pointer, sentence)])

    async def test_what_no_database_takes_is_no_fault_of_ours(self, house: House) -> None:
        status, errors, _ = await ask(house, "POST", "Guest", NEW | {"host_id": 2**70})
        assert (status, [pointer for pointer, _ in errors]) == (422, ["/host_id"])

    async def test_a_value_that_its_type_refuses_is_named(self, house: House) -> None:
        body = {"instant": "no datetime"}
        status, errors, _ = await ask(house, "POST", "Specimen", body)
        assert (status, [pointer for pointer, _ in errors]) == (422, ["/instant"])
