"""Classes that inherit from one another, each with pages of its own."""

import json
import re
from typing import Any

import pytest
from anyio import to_thread

from tests.admin.house import House, Visitor
from tests.admin.lineage.lives import EXHIBITS, FRESCO, LIVES, PAINTED, Life
from tests.admin.lineage.models import Exhibit, Painting, Sculpture
from tests.admin.lineage.rows import HERE, ROWS, TABLES, listed
from tests.admin.seen import declare, of_boss
from tests.admin.trail import noted, user_named
from trivet import Identity
from trivet.rules import visible

pytestmark = pytest.mark.anyio


@pytest.fixture
async def boss(lineage_house: House) -> Any:
    await lineage_house.write(*(f"DELETE FROM lineage_{table}" for table in TABLES), *ROWS)
    async with lineage_house.visit() as boss:
        yield boss


def let_clerk(*codenames: str) -> None:
    """Give the clerk these permissions, and no other."""
    from django.apps import apps
    from django.contrib.auth.management import create_permissions
    from django.contrib.auth.models import Permission
    from django.db import connections

    for label in ("lineage", "trivet"):
        create_permissions(apps.get_app_config(label), verbosity=0)
    wanted = Permission.objects.filter(codename__in=codenames)
    assert len(wanted) == len(codenames)
    user_named("clerk").user_permissions.set(wanted)
    connections.close_all()


async def newest(house: House) -> tuple[Any, ...]:
    """The newest entry of the trail."""
    query = (
        "SELECT table_name, kind, row_key, changes FROM trivet_audit_entry ORDER BY at DESC LIMIT 1"
    )
    ((table, kind, key, changes),) = await house.rows(query)
    return table, kind, key, json.loads(changes)


@pytest.mark.parametrize("life", LIVES, ids=lambda life: life.name)
async def test_a_row_of_each_class_is_added_changed_and_deleted_on_the_page_of_its_own(
    lineage_house: House, boss: Visitor, life: Life
) -> None:
    there = f"{HERE}/{life.name}"
    page = await boss.edit(f"{there}/add/", **life.typed, **life.untypable)
    assert page.status == 302, page.words
    table, kind, key, _ = await newest(lineage_house)
    assert (table, kind) == (life.table, "insert")
    assert await lineage_house.rows(life.query, id=int(key)) == life.added

    page = await boss.get(f"{there}/{key}/change/")
    assert page.fields.isdisjoint(life.untypable)
    page = await boss.send(page, **life.changed, **life.untypable)
    assert page.status == 302, page.words
    assert await lineage_house.rows(life.query, id=int(key)) == life.edited
    assert await newest(lineage_house) == (life.table, "update", key, life.change)
    assert "changed" in (await boss.get(f"{there}/{key}/history/")).words

    page = await boss.get(f"{there}/{key}/delete/")
    page = await boss.send(page)
    assert page.status == 302, page.words
    assert await lineage_house.rows(life.query, id=int(key)) == []
    deleted = await newest(lineage_house)
    assert deleted[:3] == (life.table, "delete", key)
    assert {name: each["to"] for name, each in life.change.items()} == {
        name: deleted[3][name]["from"] for name in life.change
    }


LISTS: list[tuple[str, Any]] = [
    (
        "exhibit/",
        ["Bench East thing", "Dawn East painting", "Feast West fresco", "Horse - statue"],
    ),
    ("exhibit/?q=ea", ["Bench East thing", "Dawn East painting", "Feast West fresco"]),
    ("exhibit/?row_kind=Sculpture", ["Horse - statue"]),
    ("exhibit/?row_kind=Exhibit", ["Bench East thing"]),
    ("exhibit/?row_kind=Nothing", 4),
    ("exhibit/?gallery__id__exact=111", ["Feast West fresco"]),
    ("painting/", 2),
    ("painting/?technique=lime", 1),
    ("painting/?keywords__id__exact=110", 1),
    ("painting/?gallery__id__exact=110&q=dawn", 1),
    ("painting/?q=bench", 1),
    ("painting/?q=horse", []),
    ("painting/?row_kind=Fresco", 1),
    ("painting/?o=-2", 2),
    ("fresco/", ["Feast north north! lime"]),
    ("fresco/?copy_of__gallery__id__exact=110", ["Feast north north! lime"]),
    ("fresco/?copy_of__gallery__id__exact=111", []),
    ("fresco/?o=2.-1&q=west", ["Feast north north! lime"]),
    ("sculpture/", ["Horse 900 sculpture"]),
    ("notice/", ["Hello welcome", "Closed strike", "Fire! fire"]),
    ("notice/?row_kind=Strike", ["Closed strike"]),
    ("closure/", ["Closed strike", "Fire! fire"]),
    ("closure/?q=o", ["Closed strike"]),
    ("fire/", ["Fire!"]),
    ("entry/", ["9 entry", "0 free entry"]),
    ("entry/?row_kind=FreeEntry", ["0 free entry"]),
    ("entry/?row_kind=Entry", ["9 entry"]),
    ("freeentry/", ["0"]),
    ("room/", ["room 102", "room 101"]),
    ("vault/", ["vault 101"]),
]


async def test_a_list_has_the_rows_of_its_class_and_of_those_below_it(boss: Visitor) -> None:
    for address, rows in LISTS:
        page = await boss.get(f"{HERE}/{address}")
        assert page.status == 200, address
        found = listed(page)
        assert (len(found) if isinstance(rows, int) else found) == rows, address
        count = rows if isinstance(rows, int) else len(rows)
        assert re.search(rf"\b{count} (\w+s?|free entr(?:y|ies)|result)", page.words), address


async def test_a_row_in_the_list_of_a_base_leads_to_the_page_of_its_own_class(
    lineage_house: House, boss: Visitor
) -> None:
    page = await boss.get(f"{HERE}/exhibit/")
    found = re.findall(r'href="(/admin/lineage/\w+/\d+/change/)', page.text)
    own = [("exhibit", 101), ("painting", 102), ("fresco", 103), ("sculpture", 104)]
    assert found == [f"{HERE}/{name}/{key}/change/" for name, key in own]
    for name, key in own[1:]:
        for place in ("change", "delete"):
            page = await boss.get(f"{HERE}/exhibit/{key}/{place}/?_changelist_filters=q%3Da")
            assert page.status == 302
            expected = f"{HERE}/{name}/{key}/{place}/?_changelist_filters=q%3Da"
            assert page.headers["location"] == expected
    assert (await boss.get(f"{HERE}/exhibit/101/change/")).status == 200
    # A class of the table without a page of its own is shown where it is listed.
    assert (await boss.get(f"{HERE}/notice/102/change/")).status == 200
    page = await boss.edit(f"{HERE}/closure/102/change/", until="May")
    assert page.status == 302, page.words
    assert await lineage_house.value("SELECT until FROM lineage_notice WHERE id = 102") == "May"


async def test_whoever_may_not_see_the_own_page_of_a_row_edits_what_its_base_has(
    lineage_house: House, boss: Visitor
) -> None:
    await to_thread.run_sync(let_clerk, "view_exhibit", "change_exhibit", "view_auditentry")
    async with lineage_house.visit("clerk") as visitor:
        page = await visitor.get(f"{HERE}/exhibit/")
        assert f"{HERE}/exhibit/103/change/" in page.text
        page = await visitor.edit(f"{HERE}/exhibit/103/change/", title="Meal", sort="plain")
        assert page.status == 302, page.words
        history = await visitor.get(f"{HERE}/exhibit/103/history/")
    assert await lineage_house.rows(FRESCO, id=103) == [("fresco", "Meal", 2, "lime", "north")]
    change = {"title": {"from": "Feast", "to": "Meal"}}
    assert await newest(lineage_house) == ("lineage_fresco", "update", "103", change)
    told = await lineage_house.told("lineage:exhibits")
    assert (told[-1].kind, told[-1].name, told[-1].old["title"]) == ("update", "Meal", "Feast")
    # The feed of the subclass says what only it has, which nobody had loaded.
    assert (await lineage_house.told("lineage:paintings"))[-1].name == "lime"
    # Changes are noted as those of a fresco, which this reader may not view.
    assert "Meal" not in history.words.partition("audit")[2]
    assert "Meal" in (await boss.get(f"{HERE}/exhibit/103/history/")).words


async def test_what_the_mapped_base_says_holds_for_every_class(
    lineage_house: House, boss: Visitor
) -> None:
    page = await boss.edit(f"{HERE}/fresco/103/change/", title="untitled")
    assert page.error_at("title") == "Every exhibit has a title."
    stale = await boss.get(f"{HERE}/fresco/103/change/")
    assert (await boss.edit(f"{HERE}/fresco/103/change/", wall="south")).status == 302
    page = await boss.send(stale, title="Late")
    assert "Someone else changed this" in page.words
    page = await boss.edit(f"{HERE}/sculpture/104/change/", weight="-1")
    assert page.status == 200
    assert "weight" in page.words
    page = await boss.edit(f"{HERE}/fresco/add/", title="Two", wall="south")
    assert page.error_at("wall") != ""
    page = await boss.edit(f"{HERE}/fresco/103/change/", keywords=["110", "111"], copy_of="104")
    assert page.status == 302, page.words
    links = "SELECT keyword_id FROM lineage_exhibit_keyword WHERE exhibit_id = 103 ORDER BY 1"
    assert await lineage_house.rows(links) == [(110,), (111,)]
    page = await boss.get(f"{HERE}/painting/")
    page = await boss.send(page, **{"form-0-technique": "wax", "_save": "Save"})
    assert page.status == 302, page.words
    assert await lineage_house.rows(PAINTED, id=102) == [("painting", "Dawn", 2, "wax")]
    assert await lineage_house.rows(PAINTED, id=103) == [("fresco", "Feast", 3, "lime")]
    untouched = await boss.edit(f"{HERE}/fresco/103/change/")
    assert untouched.status == 302
    assert await lineage_house.rows(PAINTED, id=103) == [("fresco", "Feast", 3, "lime")]


async def test_a_key_that_refers_to_a_base_takes_a_row_of_any_of_its_classes(
    lineage_house: House, boss: Visitor
) -> None:
    page = await boss.get(f"{HERE}/lending/add/")
    page = await boss.send(page, to="Bonn", painting="103", wanted="104")
    assert page.status == 302, page.words
    query = "SELECT painting_id, wanted_id FROM lineage_lending WHERE \"to\" = 'Bonn'"
    assert await lineage_house.rows(query) == [(103, 104)]
    page = await boss.edit(f"{HERE}/lending/120/change/", wanted="999")
    assert page.error_at("wanted") != ""
    page = await boss.edit(
        f"{HERE}/painting/102/change/",
        **{"loans-TOTAL_FORMS": "1", "loans-0-to": "Oslo", "loans-0-wanted": "101"},
    )
    assert page.status == 302, page.words
    query = "SELECT painting_id, wanted_id FROM lineage_lending WHERE \"to\" = 'Oslo'"
    assert await lineage_house.rows(query) == [(102, 101)]


async def test_rows_of_a_subclass_are_edited_inside_the_form_of_another_class(
    lineage_house: House, boss: Visitor
) -> None:
    page = await boss.get(f"{HERE}/gallery/110/change/")
    prefix = "painting_gallery"
    assert page.form[f"{prefix}-0-title"] == "Dawn"
    assert f"{prefix}-0-sort" not in page.fields
    typed = {"0-technique": "gold", "1-title": "Dusk", "1-technique": "wax", "1-sort": "plain"}
    page = await boss.send(page, **{f"{prefix}-{name}": value for name, value in typed.items()})
    assert page.status == 302, page.words
    query = (
        "SELECT e.title, e.sort, p.technique FROM lineage_exhibit e JOIN lineage_painting p "
        "ON p.id = e.id WHERE e.gallery_id = 110 ORDER BY e.title"
    )
    rows = [("Dawn", "painting", "gold"), ("Dusk", "painting", "wax")]
    assert await lineage_house.rows(query) == rows


async def test_a_deletion_from_the_list_of_a_base_takes_all_that_the_own_class_takes(
    lineage_house: House, boss: Visitor
) -> None:
    page = await boss.get(f"{HERE}/exhibit/")
    chosen = {"action": "delete_selected", "_selected_action": ["102", "103", "104"]}
    page = await boss.send(page, **chosen)
    assert page.status == 200
    shown = ("Painting: Dawn", "Fresco: Feast", "Statue: Horse", "Lending: to Rome")
    assert [each for each in shown if each not in page.words] == []
    assert not re.search(r": 0\b", page.words)  # of what there is none
    page = await boss.send(page, **chosen, post="yes")
    assert page.status == 302, page.words
    for table in ("painting", "fresco", "sculpture", "lending", "exhibit_keyword"):
        assert await lineage_house.value(f"SELECT count(*) FROM lineage_{table}") == 0, table
    assert await lineage_house.rows("SELECT title FROM lineage_exhibit") == [("Bench",)]
    for table, key in (("painting", "102"), ("fresco", "103"), ("lending", "120")):
        kinds = [(kind, each) for kind, each, _ in await noted(lineage_house, f"lineage_{table}")]
        assert kinds[-1] == ("delete", key)


async def test_a_row_of_a_subclass_goes_with_what_its_base_belongs_to_or_stays_with_what_needs_it(
    lineage_house: House, boss: Visitor
) -> None:
    await lineage_house.write("UPDATE lineage_lending SET wanted_id = 104 WHERE id = 120")
    page = await boss.get(f"{HERE}/sculpture/104/delete/")
    assert "would require deleting the following protected related objects" in page.words
    assert "Lending: to Rome" in page.words
    await lineage_house.write(
        "UPDATE lineage_painting SET copy_of_id = NULL",
        "INSERT INTO lineage_lending (id, \"to\", painting_id) VALUES (121, 'Oslo', 102)",
    )
    page = await boss.get(f"{HERE}/gallery/110/delete/")
    shown = ("Thing: Bench", "Thing: Dawn", "Lending: to Oslo")
    assert [each for each in shown if each not in page.words] == []
    page = await boss.send(page)
    assert page.status == 302, page.words
    left = await lineage_house.rows("SELECT id FROM lineage_exhibit ORDER BY id")
    assert left == [(103,), (104,)]
    assert await lineage_house.rows("SELECT id FROM lineage_painting") == [(103,)]


async def test_a_row_of_a_class_that_nobody_knows_is_shown_and_told_and_no_page_fails(
    lineage_house: House, boss: Visitor
) -> None:
    await lineage_house.write(
        "UPDATE lineage_exhibit SET sort = 'robot' WHERE id = 104",
        "UPDATE lineage_exhibit SET gallery_id = 110 WHERE id = 104",
        "UPDATE lineage_painting SET copy_of_id = NULL",
        "UPDATE lineage_notice SET number = 9 WHERE id = 103",
    )
    assert "unknown: robot" in listed(await boss.get(f"{HERE}/exhibit/"))[3]
    assert "unknown: 9" in listed(await boss.get(f"{HERE}/notice/"))[0]
    for change in ("exhibit/104/change/", "sculpture/104/change/", "notice/103/change/"):
        page = await boss.get(f"{HERE}/{change}")
        assert page.status == 200, change
        page = await boss.send(page, title="R2", words="R2")
        assert page.status == 200, change
        assert "is of a class that there is not" in page.words
    for gone in ("exhibit/104/delete/", "gallery/110/delete/"):
        page = await boss.edit(f"{HERE}/{gone}")
        told = await boss.get(page.headers.get("location", page.path))
        assert "is of a class that there is not" in page.words + told.words, gone
    page = await boss.edit(f"{HERE}/exhibit/104/change/", keywords=["111"])
    assert page.status == 200
    for place in ("exhibit/104/history/", "exhibit/?q=horse", "lending/add/", "exhibit/?o=3"):
        assert (await boss.get(f"{HERE}/{place}")).status in (200, 302), place
    assert await lineage_house.rows(EXHIBITS, id=104) == [("robot", "Horse", 1)]


@pytest.mark.parametrize("name", ["notice", "closure"])
async def test_no_row_of_an_abstract_class_can_be_added(boss: Visitor, name: str) -> None:
    assert f"{HERE}/{name}/add/" not in (await boss.get(f"{HERE}/{name}/")).text
    page = await boss.get(f"{HERE}/{name}/add/")
    assert page.status == 403
    assert "add a row of one of its subclasses" in page.words
    assert f"{HERE}/fire/add/" in (await boss.get(f"{HERE}/fire/")).text


async def test_rows_of_concrete_classes_with_the_same_key_are_not_taken_for_one_another(
    lineage_house: House, boss: Visitor
) -> None:
    assert (await boss.edit(f"{HERE}/room/101/change/", name="Porch")).status == 302
    assert await lineage_house.value("SELECT name FROM lineage_room WHERE id = 101") == "Porch"
    assert (await boss.edit(f"{HERE}/room/101/delete/")).status == 302
    assert await lineage_house.rows("SELECT name, locks FROM lineage_vault") == [("Cellar", 3)]
    assert await lineage_house.rows("SELECT name FROM lineage_room") == [("Hall",)]


async def test_who_may_view_one_kind_sees_nothing_of_the_others_in_the_trail(
    lineage_house: House, boss: Visitor
) -> None:
    for name, key in (("fire", 101), ("welcome", 103)):
        page = await boss.edit(f"{HERE}/{name}/{key}/change/", words=f"told of {name}")
        assert page.status == 302, page.words
    await to_thread.run_sync(let_clerk, "view_fire", "view_auditentry")
    async with lineage_house.visit("clerk") as visitor:
        page = await visitor.get("/admin/trivet/auditentry/")
        assert "told of welcome" not in page.words
        assert "told of fire" in (await visitor.get(f"{HERE}/fire/101/history/")).words
        assert (await visitor.get(f"{HERE}/welcome/103/history/")).status == 403


@visible(Painting)
def in_oil(actor: Identity) -> Any:
    return not of_boss(actor) or ((Painting.technique == "oil") & (Exhibit.title != "Fake"))


@visible(Sculpture)
def no_sculpture(actor: Identity) -> bool:
    return not of_boss(actor)


async def test_rules_of_visibility_hold_over_classes_that_inherit(lineage_house: House) -> None:
    declare(lineage_house, in_oil, no_sculpture)
    await lineage_house.write(
        "INSERT INTO lineage_exhibit (id, version, sort, title) VALUES (701, 1, 'plain', 'Coin'), "
        "(702, 1, 'painting', 'Sea'), (703, 1, 'painting', 'Fake'), (704, 1, 'painting', 'Ink'), "
        "(705, 1, 'sculpture', 'Bust'), (706, 1, 'fresco', 'Wall')",
        "INSERT INTO lineage_painting (id, technique) VALUES (702, 'oil'), (703, 'oil'), "
        "(704, 'ink'), (706, 'ink')",
        "INSERT INTO lineage_sculpture (id, weight) VALUES (705, 3)",
        "INSERT INTO lineage_fresco (fresco_id, wall) VALUES (706, 'far north')",
    )
    async with lineage_house.visit() as boss:
        for noun, seen in (("exhibit", {"701", "702"}), ("painting", {"702"}), ("fresco", set())):
            listed = {*(await boss.get(f"/admin/lineage/{noun}/")).chosen}
            # Other tests leave rows of their own.
            assert {key for key in listed if "701" <= key <= "706"} == seen
        for page in (
            "/admin/lineage/exhibit/705/change/",
            "/admin/lineage/exhibit/703/change/",
            "/admin/lineage/painting/704/delete/",
        ):
            assert (await boss.get(page)).headers["location"] == "/admin/"
        form = await boss.get("/admin/lineage/painting/702/change/")
        assert (await boss.send(form, copy_of="703")).error_at("copy_of")
        assert (await boss.send(form, copy_of="701")).status == 302
