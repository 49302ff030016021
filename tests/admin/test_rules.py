"""Rules of change hold at every door, and a form may save through a service."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import httpx2
import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from tests.admin.forms import Page
from tests.admin.house import ORIGIN, House, Visitor
from trivet.errors import Conflict, Invalid

pytestmark = pytest.mark.anyio

BADGES = (
    "INSERT INTO stock_badge (holder, level, is_lost, category_id, history, version) VALUES "
    "('Ann', 1, FALSE, 'tools', 'h', 1), ('Bob', 3, FALSE, 'tools', 'h', 1), "
    "('Cid', 1, TRUE, 'tools', 'h', 1)"
)
ROWS = "SELECT holder, level, is_lost, category_id, version FROM stock_badge ORDER BY id"
CHANGE = "/admin/stock/badge/{}/change/"
LIST = "/admin/stock/badge/"


@pytest.fixture
async def house(both_doors: House) -> AsyncIterator[House]:
    """`both_doors` with three badges, of which the last is lost."""
    async with both_doors.platform.database.engine.begin() as connection:
        await connection.execute(text(BADGES))
    yield both_doors
    await both_doors.platform.database.close()


async def everything(house: House) -> list[Any]:
    """What a refused change leaves as it was: rows, what was told and audited, Django's log."""
    return [
        await house.rows(ROWS),
        await house.rows("SELECT name FROM stock_category ORDER BY code"),
        await house.rows('SELECT channel, "offset" FROM trivet_publication ORDER BY id'),
        await house.rows("SELECT * FROM trivet_audit_entry WHERE table_name LIKE 'stock%'"),
        await house.rows("SELECT * FROM django_admin_log"),
    ]


async def choose(visitor: Visitor, action: str, *keys: str) -> Page:
    """Do `action` with rows of the list, confirm it if it asks, and read the page behind it."""
    page = await visitor.get(LIST)
    page = await visitor.send(page, action=action, _selected_action=list(keys), index="0")
    if page.status == 200:  # a page that asks again
        page = await visitor.send(page)
    return await visitor.get(LIST)


async def change(visitor: Visitor) -> Page:
    return await visitor.edit(CHANGE.format(1), level="5", holder="Anna")


async def change_lost(visitor: Visitor) -> Page:
    return await visitor.edit(CHANGE.format(3), level="2")


async def in_the_list(visitor: Visitor) -> Page:
    page = await visitor.get(LIST)
    return await visitor.send(page, **{"form-0-level": "2", "form-1-level": "9", "_save": "Save"})


async def lost_in_the_list(visitor: Visitor) -> Page:
    page = await visitor.get(LIST)
    return await visitor.send(page, **{"form-0-level": "2", "form-2-level": "2", "_save": "Save"})


async def in_an_inline(visitor: Visitor) -> Page:
    path = "/admin/stock/category/tools/change/"
    return await visitor.edit(path, **{"name": "Hand tools", "badges-1-level": "9"})


async def deleted_in_an_inline(visitor: Visitor) -> Page:
    path = "/admin/stock/category/tools/change/"
    return await visitor.edit(path, **{"name": "Hand tools", "badges-2-DELETE": "on"})


async def delete(visitor: Visitor) -> Page:
    await visitor.edit("/admin/stock/badge/3/delete/")
    return await visitor.get(LIST)


async def delete_parent(visitor: Visitor) -> Page:
    """A category takes its items with it, and its badges lose it: the lost one may not."""
    await visitor.edit("/admin/stock/category/tools/delete/")
    return await visitor.get(LIST)


FOLLOWS, LOST = "does not follow", "This badge is lost."


class TestInTheAdmin:
    @pytest.mark.parametrize(
        ("attempt", "sentence", "kept"),
        [
            (change, "Level 5 does not follow 1.", {"level": "5", "holder": "Anna"}),
            (change_lost, LOST, {"level": "2"}),
            (in_the_list, "Level 9 does not follow 3.", {"form-0-level": "2", "form-1-level": "9"}),
            (lost_in_the_list, LOST, {"form-2-level": "2"}),
            (in_an_inline, "Level 9 does not", {"name": "Hand tools", "badges-1-level": "9"}),
            (deleted_in_an_inline, LOST, {"name": "Hand tools", "badges-2-DELETE": "on"}),
            (delete, LOST, {}),
            (lambda v: choose(v, "delete_selected", "1", "3"), LOST, {}),
            (lambda v: choose(v, "promote", "1", "3"), LOST, {}),
            (lambda v: choose(v, "promote_all", "1", "2"), FOLLOWS, {}),
        ],
        ids=[
            "form", "above a form", "list", "above a row", "inline", "inline deletion", "delete",
            "delete selected", "action", "bulk update",
        ],
    )  # fmt: skip
    async def test_a_rule_is_told_and_nothing_is_done(
        self,
        house: House,
        attempt: Callable[[Visitor], Awaitable[Page]],
        sentence: str,
        kept: dict[str, str],
    ) -> None:
        before = await everything(house)
        async with house.visit() as boss:
            page = await attempt(boss)
        assert page.status == 200
        assert sentence in page.words
        assert {name: page.form.get(name) for name in kept} == kept
        assert await everything(house) == before

    async def test_it_stands_at_its_field(self, house: House) -> None:
        async with house.visit() as boss:
            page = await change(boss)
        assert page.error_at("level") == "Level 5 does not follow 1."

    async def test_in_an_inline_it_stands_in_its_row(self, house: House) -> None:
        async with house.visit() as boss:
            page = await in_an_inline(boss)
        row = page.text.partition('id="badges-1"')[2].partition('id="badges-2"')[0]
        assert "Level 9 does not follow 3." in row
        assert page.text.count("Level 9 does not follow 3.") == 1

    async def test_a_rule_knows_who_asks(self, house: House) -> None:
        async with house.visit() as boss:
            page = await boss.edit(CHANGE.format(1), holder="Anna")
        assert page.status == 302
        assert (await house.rows(ROWS))[0][0] == "Anna"

    async def test_what_is_allowed_is_saved_and_audited(self, house: House) -> None:
        async with house.visit() as boss:
            page = await boss.edit(CHANGE.format(1), level="2")
        assert page.status == 302
        assert (await house.rows(ROWS))[0][1] == 2


def by_orm(how: str) -> Callable[[Session], None]:
    """What a shell, a command or an endpoint does with Django's ORM."""

    def work(_db: Session) -> None:
        from django.apps import apps
        from django.db.models import F

        badges = apps.get_model("stock", "Badge").objects
        match how:
            case "save":
                badge = badges.get(pk=3)
                badge.level = 2
                badge.save()
            case "update":
                badges.filter(pk__in=[1, 2]).update(level=F("level") + 2)
            case "bulk_update":
                badge = badges.get(pk=1)
                badge.level = 7
                badges.bulk_update([badge], ["level"])
            case "delete":
                badges.all().delete()
            case "deferred":
                badge = badges.only("holder").get(pk=3)
                badge.holder = "Zoe"
                badge.save()
            case _:
                badges.get(pk=3).category.badges.clear()

    return work


class TestElsewhere:
    @pytest.mark.parametrize(
        ("method", "path", "body", "expected"),
        [
            ("PATCH", "Badge/1", {"level": 5}, (422, "/level", "Level 5 does not follow 1.")),
            ("PATCH", "Badge/3", {"holder": "Zoe"}, (409, None, LOST)),
            ("PATCH", "Badge/1", {"holder": "Zoe"}, (409, "/holder", "Only the boss renames.")),
            ("DELETE", "Badge/3", None, (409, None, LOST)),
        ],
    )
    async def test_the_api_answers_with_a_pointer(
        self, house: House, method: str, path: str, body: Any, expected: tuple[int, str | None, str]
    ) -> None:
        before = await everything(house)
        status, pointer, detail = expected
        transport = httpx2.ASGITransport(app=house.app)
        async with httpx2.AsyncClient(transport=transport, base_url=ORIGIN) as client:
            answer = await client.request(method, f"/api/stock/{path}", json=body)
        problem = answer.json()
        assert (answer.status_code, problem["detail"]) == (status, detail)
        errors = [] if pointer is None else [{"pointer": pointer, "detail": detail}]
        assert problem.get("errors", []) == errors
        assert await everything(house) == before

    @pytest.mark.parametrize(
        "how", ["save", "update", "bulk_update", "delete", "deferred", "relation"]
    )
    async def test_djangos_orm_in_another_room_is_judged(self, house: House, how: str) -> None:
        before = await everything(house)
        with pytest.raises((Conflict, Invalid)):
            await house.platform.run_with_django(lambda db, _actor: by_orm(how)(db))
        assert await everything(house) == before

    @pytest.mark.parametrize(
        "how", ["save", "update", "bulk_update", "delete", "deferred", "relation"]
    )
    def test_a_shell_or_a_command_is_judged(
        self, both_doors: House, database_url: str, how: str
    ) -> None:
        from django.db import connection
        from django.db.transaction import atomic

        from tests.admin.house import engine_of

        engine = engine_of(database_url)
        with engine.begin() as plain:
            plain.execute(text(BADGES))
        before = rows(engine)
        with pytest.raises((Conflict, Invalid)), atomic():
            by_orm(how)(connection.session)  # type: ignore[attr-defined]  # our backend
        assert rows(engine) == before
        engine.dispose()


def rows(engine: Any) -> list[Any]:
    with engine.connect() as connection:
        return list(connection.execute(text(ROWS)).all())


@pytest.fixture
def served(built_house: House) -> Iterator[None]:
    """Badges whose admin saves through services."""
    from django.apps import apps
    from django.contrib import admin
    from django.urls import clear_url_caches

    from tests.admin.stock.admin import BadgeAdmin, ServedBadgeAdmin

    badge: Any = apps.get_model("stock", "Badge")
    admin.site.unregister(badge)
    admin.site.register(badge, ServedBadgeAdmin)
    clear_url_caches()
    yield
    admin.site.unregister(badge)
    admin.site.register(badge, BadgeAdmin)


HISTORY = "SELECT holder, level, history FROM stock_badge WHERE id = {}"


@pytest.mark.usefixtures("served")
class TestSavingThroughAService:
    async def test_an_added_row_is_the_services(self, house: House) -> None:
        async with house.visit() as boss:
            page = await boss.edit(f"{LIST}add/", holder="dan brown", level="1", category="toys")
        assert page.status == 302, page.words
        found = await house.rows(HISTORY.format(4))
        assert found == [("Dan Brown", 1, "issued by boss")]
        log = await house.rows("SELECT object_id FROM django_admin_log")
        assert log == [("4",)]

    async def test_a_changed_row_is_given_what_the_form_changed(self, house: House) -> None:
        async with house.visit() as boss:
            page = await boss.edit(CHANGE.format(1), level="2")
        assert page.status == 302, page.words
        assert await house.rows(HISTORY.format(1)) == [("Ann", 2, "h, changed by boss: level")]

    async def test_a_form_that_changes_nothing_calls_nothing(self, house: House) -> None:
        async with house.visit() as boss:
            assert (await boss.edit(CHANGE.format(1))).status == 302
        assert await house.rows(HISTORY.format(1)) == [("Ann", 1, "h")]

    async def test_an_editable_list_calls_the_service_for_each_row(self, house: House) -> None:
        async with house.visit() as boss:
            page = await boss.get(LIST)
            values = {"form-0-level": "2", "form-1-level": "4", "_save": "Save"}
            assert (await boss.send(page, **values)).status == 302
        found = [(await house.rows(HISTORY.format(key)))[0][2] for key in (1, 2)]
        assert found == ["h, changed by boss: level"] * 2

    @pytest.mark.parametrize(
        ("path", "values", "field", "sentence"),
        [
            ("add/", {"holder": "Nobody"}, "holder", "Nobody gets no badge."),
            ("add/", {"holder": "ann"}, "holder", "there is already a badge with this holder"),
            ("1/change/", {"level": "7"}, "level", "Level 7 does not follow 1."),
            ("3/change/", {"level": "2"}, None, LOST),
        ],
    )
    async def test_what_it_refuses_is_shown_at_its_field(
        self, house: House, path: str, values: dict[str, str], field: str | None, sentence: str
    ) -> None:
        before = await everything(house)
        async with house.visit() as boss:
            page = await boss.edit(f"{LIST}{path}", **values)
        assert page.status == 200
        assert sentence in (page.words if field is None else page.error_at(field))
        assert await everything(house) == before

    async def test_deletions_call_the_service_and_tell_what_it_refuses(self, house: House) -> None:
        before = await everything(house)
        async with house.visit() as boss:
            page = await choose(boss, "delete_selected", "1", "2")
            assert "A badge of a high level is not withdrawn." in page.words
            assert await everything(house) == before
            await boss.edit("/admin/stock/badge/2/delete/")
            assert "A badge of a high level" in (await boss.get(LIST)).words
            assert await everything(house) == before
            await boss.edit("/admin/stock/badge/1/delete/")
        assert [holder for holder, *_ in await house.rows(ROWS)] == ["Bob", "Cid"]

    async def test_a_row_that_changed_meanwhile_is_not_given_to_the_service(
        self, house: House
    ) -> None:
        async with house.visit() as boss:
            page = await boss.get(CHANGE.format(1))
            async with house.platform.database.engine.begin() as connection:
                await connection.execute(text("UPDATE stock_badge SET version = 5 WHERE id = 1"))
            page = await boss.send(page, level="2")
        assert "Someone else changed this" in page.words
        assert await house.rows(HISTORY.format(1)) == [("Ann", 1, "h")]
