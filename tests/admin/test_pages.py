"""The admin's pages besides lists and forms: the way in, the overview, and what went wrong."""

import re
import uuid
from html import unescape

import pytest
from starlette.responses import PlainTextResponse

from tests.admin.house import PASSWORD, House, build_house, make_settings
from trivet import staff
from trivet.asgi.mount import MountedApp
from trivet.features import Feature

pytestmark = pytest.mark.anyio

ITEMS = "/admin/stock/item/"


class TestWhatWentWrong:
    @pytest.mark.parametrize(
        ("path", "missing"),
        [
            ("/admin/stock/specimen/", "stock.view_specimen (Can view specimen)"),
            ("/admin/stock/specimen/", "stock.change_specimen (Can change specimen)"),
            ("/admin/stock/category/add/", "stock.add_category (Can add category)"),
            ("/admin/stock/supplier/1/delete/", "stock.delete_supplier (Can delete supplier)"),
            ("/admin/accounts/user/1/password/", "accounts.change_user (Can change user)"),
        ],
    )
    async def test_a_page_that_needs_a_permission_names_it(
        self, house: House, path: str, missing: str
    ) -> None:
        async with house.visit("clerk") as clerk:
            page = await clerk.get(path)
        assert page.status == 403
        assert missing in page.words
        assert page.headers["x-request-id"] in page.words

    async def test_what_the_account_has_is_not_called_missing(self, house: House) -> None:
        async with house.visit() as boss:
            page = await boss.get("/admin/trivet/auditentry/add/")
        assert page.status == 403
        assert "Your account may not do this." in page.words
        assert "permission:" not in page.words

    @pytest.mark.parametrize("path", ["/admin/nowhere/", "/admin/stock/nothing/"])
    async def test_a_page_that_is_not_there_looks_like_the_admin(
        self, house: House, path: str
    ) -> None:
        async with house.visit("clerk") as clerk:
            page = await clerk.get(path)
        assert page.status == 404
        assert f"There is nothing at {path}." in page.words
        assert page.headers["x-request-id"] in page.words
        assert "/static/trivet_admin/trivet." in page.text
        assert 'href="/admin/"' in page.text
        assert "Items" in page.words, "the side bar leads on"

    async def test_a_fault_of_ours_tells_the_request_id_and_nothing_else(
        self, house: House
    ) -> None:
        async with house.visit() as boss:
            boss.may_fail()
            page = await boss.edit(f"{ITEMS}1/change/", name="poison")
        assert page.status == 500
        assert "Something went wrong on our side" in page.words
        assert page.headers["x-request-id"] in page.words
        assert "/static/trivet_admin/trivet." in page.text

    async def test_a_form_without_its_token_says_what_to_do(self, house: House) -> None:
        async with house.visit("clerk") as clerk:
            page = await clerk.get(f"{ITEMS}1/change/")
            page = await clerk.send(page, csrfmiddlewaretoken=None)
        assert page.status == 403
        assert "reload the page" in page.words
        assert page.headers["x-request-id"] in page.words


class TestTheWayIn:
    async def test_a_right_password_of_somebody_else_says_that_this_is_for_staff(
        self, house: House
    ) -> None:
        async with house.client() as visitor:
            page = await visitor.log_in("guest")
        assert page.status == 200
        assert "not for staff" in page.words
        assert "correct username" not in page.words

    @pytest.mark.parametrize(("name", "password"), [("guest", "wrong"), ("no such", PASSWORD)])
    async def test_a_wrong_password_tells_nothing_of_the_account(
        self, house: House, name: str, password: str
    ) -> None:
        async with house.client() as visitor:
            page = await visitor.log_in(name, password)
        assert "correct username and password" in page.words
        assert "not for staff" not in page.words

    @pytest.fixture
    def closed_house(self, stock: tuple[Feature, ...], shelves: None, database_url: str) -> House:
        closed = MountedApp("closed", "/closed", PlainTextResponse("come in"), policy=staff)
        return build_house(make_settings(database_url), stock, closed)

    async def test_a_page_that_wants_a_login_leads_there_and_back(
        self, closed_house: House
    ) -> None:
        house = closed_house
        here = "/closed/caf%C3%A9%26?a=1&b=%22x%22"
        async with house.client(accept="text/html") as visitor:
            page = await visitor.get(here)
            assert page.status == 401
            (link,) = re.findall(r'href="([^"]*)">Log in<', page.text)
            login = await visitor.get(unescape(link))
            arrived = await visitor.send(login, username="boss", password=PASSWORD)
            assert arrived.headers["location"] == here
            assert (await visitor.get(arrived.headers["location"])).text == "come in"
            missing = await visitor.get("/nothing/here")
        assert "Log in" not in missing.text
        await house.platform.database.close()


class TestTheOverview:
    async def test_it_has_numbers_and_the_visitors_own_changes(self, house: House) -> None:
        async with house.visit("clerk") as clerk:
            before = await clerk.get("/admin/")
            await clerk.edit(f"{ITEMS}1/change/", quantity="6")
            after = await clerk.get("/admin/")
        async with house.visit() as boss:
            other = await boss.get("/admin/")
        assert "Items 3 " in before.words
        assert "Your latest changes None yet." in before.words
        assert "Changed item tools/Hammer" in after.words
        assert f'href="{ITEMS}1/history/"' in after.text
        assert "Changed item" not in other.words

    async def test_it_calls_rows_as_they_are_called_now_and_gone_ones_by_their_keys(
        self, house: House
    ) -> None:
        async with house.visit() as boss:
            for name in ("Nail", "Screw"):
                await boss.edit("/admin/stock/supplier/add/", name=name)
            await boss.edit("/admin/stock/supplier/3/delete/")
            await boss.edit("/admin/stock/supplier/2/change/", name="Nails")
            await boss.edit("/admin/stock/specimen/add/", instant_0="2025-01-01", instant_1="0:00")
            await boss.edit("/admin/stock/category/add/", code="odd/_5F", name="Odd")
            page = await boss.get("/admin/")
        changes = page.words[page.words.index("Your latest changes") :]
        said = re.findall(r"(Added|Changed|Deleted) (.+?) 20\d\d-", changes)
        key = await house.value("SELECT id FROM stock_specimen")
        assert said == [
            ("Added", "category odd/_5F"),
            ("Added", f"specimen {uuid.UUID(str(key))}"),
            ("Changed", "supplier Nails"),
            ("Deleted", "supplier 3"),
            ("Added", "supplier 3"),
            ("Added", "supplier Nails"),
        ]

    async def test_it_leads_out_of_the_admin(self, house: House) -> None:
        async with house.visit() as boss:
            page = await boss.get("/admin/")
        assert '<a href="/">View site</a>' in page.text
        assert '<a href="/departures/">Departures</a>' in page.text

    async def test_sections_are_called_alike_on_the_overview_and_above_a_page(
        self, house: House
    ) -> None:
        lists = {
            "Stock": "stock/item",
            "Access": "auth/group",
            "Operations": "trivet/apikey",
        }
        async with house.visit() as boss:
            overview = await boss.get("/admin/")
            for section, path in lists.items():
                assert section in overview.words
                page = await boss.get(f"/admin/{path}/")
                # Before Django 6 an arrow stands between the two, afterwards the style draws it.
                assert f"Home {section}" in page.words.replace("› ", "")

    async def test_the_page_of_a_section_has_all_that_the_overview_lists_in_it(
        self, house: House
    ) -> None:
        async with house.visit() as boss:
            page = await boss.get("/admin/auth/")
        content = page.words[page.words.index("Access administration") :]
        assert [name for name in ("Users", "Groups") if name not in content] == []
        assert "API keys" not in content


class TestForms:
    async def test_a_relation_that_can_be_searched_is_searched_for(self, house: House) -> None:
        async with house.visit("clerk") as clerk:
            page = await clerk.get(f"{ITEMS}1/change/")
        # The item's parent is an item, which can be searched; a supplier cannot.
        assert _widget_of(page.text, "parent").startswith("admin-autocomplete")
        assert "admin-autocomplete" not in _widget_of(page.text, "supplier")

    async def test_nobody_searches_what_they_may_not_see(self, house: House) -> None:
        async with house.visit("clerk") as clerk:
            page = await clerk.get(f"{ITEMS}1/change/")
        # Users can be searched, by those who may see them.
        assert "admin-autocomplete" not in _widget_of(page.text, "keeper")
        async with house.visit() as boss:
            page = await boss.get(f"{ITEMS}1/change/")
        assert _widget_of(page.text, "keeper").startswith("admin-autocomplete")

    async def test_an_instant_in_a_form_says_its_zone(self, house: House) -> None:
        async with house.visit() as boss:
            page = await boss.get("/admin/trivet/apikey/add/")
        assert page.text.count('<span class="zone">UTC</span>') == 1

    async def test_a_new_key_lives_as_long_as_one_of_the_command_line(self, house: House) -> None:
        from datetime import UTC, date, datetime, timedelta

        from trivet.identity.keys import DEFAULT_DAYS

        async with house.visit() as boss:
            page = await boss.get("/admin/trivet/apikey/add/")
        given = date.fromisoformat(page.form["expires_at_0"])
        wanted = (datetime.now(UTC) + timedelta(days=DEFAULT_DAYS)).date()
        assert abs(given - wanted) <= timedelta(days=1)  # midnight may pass meanwhile


def _widget_of(page: str, name: str) -> str:
    """The class of a field's select."""
    tag = page[page.index(f'<select name="{name}"') :]
    tag = tag[: tag.index(">")]
    _, _, rest = tag.partition('class="')
    return rest.partition('"')[0]
