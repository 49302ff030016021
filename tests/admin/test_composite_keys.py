"""Classes whose primary key has several columns, on every page of the admin."""

import re
from html import unescape
from typing import Any

import msgspec
import pytest
from anyio import to_thread
from sqlalchemy import exists, select, text
from sqlalchemy.orm import Session

from tests.admin.house import House, Visitor
from tests.admin.keyed.models import Packing, Ware
from tests.admin.keyed_rows import (
    MEMBER,
    ODD,
    OTHER,
    PACKING,
    PACKINGS,
    PARCEL,
    REMARK,
    TEA,
    WATCH,
    entries,
    filled,
)
from tests.admin.seen import declare, of_boss
from trivet import Identity
from trivet.rules import visible

pytestmark = pytest.mark.anyio


@pytest.fixture
async def boss(keyed_house: House) -> Any:
    async with filled(keyed_house) as boss:
        yield boss


async def test_a_list_shows_orders_filters_and_searches(boss: Visitor) -> None:
    page = await boss.get(f"{PACKING}/")
    links = [unescape(each) for each in re.findall(rf'href="({PACKING}/[^"]*/change/)', page.text)]
    assert links == [f"{each}/change/" for each in (f"{PACKING}/102~tea", TEA, OTHER)]
    assert page.chosen == ["102~tea", "101~tea", "101~a!7Eb!21c!2C_5Fd/e"]
    for query, found in {
        "q=black": ["102~tea"],
        "q=tea": ["102~tea", "101~tea"],
        "q=odd": ["101~tea", "101~a!7Eb!21c!2C_5Fd/e"],  # by a relation to several rows
        "parcel__id__exact=102": ["102~tea"],
        "ware__code__exact=tea": ["102~tea", "101~tea"],
        "pk=101~tea": ["101~tea"],
        "pk__in=101~tea,102~tea,102~none,101~a!7Eb!21c!2C_5Fd%2Fe": page.chosen,
        "pk__in=": [],
        "o=1": [*reversed(page.chosen[:2]), page.chosen[2]],
    }.items():
        assert sorted((await boss.get(f"{PACKING}/?{query}")).chosen) == sorted(found), query
    for query in ("pk=101", "pk=~", "pk=x~tea", "pk__in=101~tea,7", "pk=101~!GG", "pk=1~2~3"):
        page = await boss.get(f"{PACKING}/?{query}")
        assert page.status == 302 or page.chosen == [], query


async def test_the_way_to_the_site_of_what_is_no_key_leads_nowhere(
    boss: Visitor, keyed_house: House
) -> None:
    await keyed_house.write(
        "INSERT INTO django_content_type (app_label, model) VALUES ('keyed', 'packing')"
    )
    number = await keyed_house.value("SELECT id FROM django_content_type WHERE model = 'packing'")
    for key in ("101", "x~tea", "1~2~3"):
        assert (await boss.get(f"/admin/r/{number}/{key}/")).status == 404, key
    assert "Packings" in (await boss.get("/admin/")).words


async def test_a_row_is_edited_its_key_shown_and_its_history_told(
    keyed_house: House, boss: Visitor
) -> None:
    for address, old in ((TEA, 3), (OTHER, 5)):
        page = await boss.get(f"{address}/change/")
        assert page.status == 200, address
        assert {"parcel", "ware"}.isdisjoint(page.fields)  # they are the key
        assert "parcel red" in page.words
        sent = await boss.send(page, pieces=old + 10, parcel="102", ware="acid")
        assert sent.status == (200 if old == 3 else 302)  # 13 is refused
        sent = await boss.send(page, pieces=old + 20)
        assert sent.status == (302 if old == 3 else 200)  # it has changed meanwhile
        history = await boss.get(f"{address}/history/")
        assert f"{old} → {old + (20 if old == 3 else 10)}" in history.words
    assert await keyed_house.rows(PACKINGS) == [
        (101, ODD, 15, 2),
        (101, "tea", 23, 2),
        (102, "tea", 7, 1),
    ]


async def test_a_row_is_added_with_a_key_that_is_free_and_by_the_rules(
    keyed_house: House, boss: Visitor
) -> None:
    page = await boss.edit(f"{PACKING}/add/", parcel="102", ware="acid")
    assert "acid goes into no parcel" in page.words
    page = await boss.send(page, parcel="102", ware="tea")
    assert "already a packing" in page.words
    page = await boss.send(page, parcel="102", ware=ODD, _continue="")
    assert page.headers["location"] == f"{PACKING}/102~a!7Eb!21c!2C_5F5Fd_2Fe/change/"
    assert (102, ODD, 1, 1) in await keyed_house.rows(PACKINGS)
    assert ("insert", "102~a!7Eb!21c!2C_5Fd/e") in await entries(keyed_house)
    page = await boss.get("/admin/trivet/auditentry/")
    link = f"{PACKING}/102~a!7Eb!21c!2C_5F5Fd_2Fe/history/"
    assert link in unescape(page.text)
    page = await boss.get(link)
    assert (page.status, "packing 102~a!7Eb!21c!2C_5Fd/e" in page.words) == (200, True)
    assert "added" in page.words
    overview = await boss.get("/admin/")
    assert link in unescape(overview.text)


async def test_the_list_edits_each_row_by_its_key_and_version(
    keyed_house: House, boss: Visitor
) -> None:
    page = await boss.get(f"{PACKING}/")
    sent = await boss.send(page, _save="Save", **{"form-0-pieces": "70", "form-2-pieces": "50"})
    assert sent.status == 302, sent.words
    assert [row[2:] for row in await keyed_house.rows(PACKINGS)] == [(50, 2), (3, 1), (70, 2)]
    sent = await boss.send(page, _save="Save", **{"form-0-pieces": "71"})
    assert "Someone else changed this" in sent.words
    for key in ("101", "x~tea", "\x00~tea", "", "101~tea~"):
        sent = await boss.send(page, _save="Save", **{"form-1-pk": key, "form-1-pieces": "8"})
        assert sent.status in (200, 302), key
    assert [row[2:] for row in await keyed_house.rows(PACKINGS)] == [(50, 2), (3, 1), (70, 2)]


async def test_actions_change_and_delete_the_chosen_rows(keyed_house: House, boss: Visitor) -> None:
    page = await boss.get(f"{PACKING}/")
    chosen = [*page.chosen[1:], "nothing", "7~", "\x00~\x00", f"{10**40}~tea"]
    sent = await boss.send(page, action="double", _selected_action=chosen)
    assert sent.status == 302, sent.words
    assert [row[2] for row in await keyed_house.rows(PACKINGS)] == [10, 6, 7]
    asked = await boss.send(page, action="delete_selected", _selected_action=chosen)
    assert asked.form["_selected_action"] == page.chosen[1:]
    sent = await boss.send(asked, action="delete_selected", post="yes")
    assert sent.status == 302, sent.words
    assert await keyed_house.rows(PACKINGS) == [(102, "tea", 7, 1)]
    deleted = [key for kind, key in await entries(keyed_house) if kind == "delete"]
    assert sorted(deleted)[-2:] == ["101~a!7Eb!21c!2C_5Fd/e", "101~tea"]


async def test_a_row_is_deleted_on_its_page(keyed_house: House, boss: Visitor) -> None:
    page = await boss.edit(f"{OTHER}/delete/")
    assert page.status == 302, page.words
    assert [row[:2] for row in await keyed_house.rows(PACKINGS)] == [(101, "tea"), (102, "tea")]
    assert (await boss.get(f"{OTHER}/change/")).status == 302


async def test_association_objects_are_rows_in_the_form_of_their_parent(
    keyed_house: House, boss: Visitor
) -> None:
    page = await boss.get(f"{PARCEL}/101/change/")
    assert {page.form[f"packings-{n}-pk"] for n in (0, 1)} == {
        "101~tea",
        "101~a!7Eb!21c!2C_5Fd/e",
    }
    tea = next(n for n in (0, 1) if page.form[f"packings-{n}-pk"] == "101~tea")
    sent = await boss.send(
        page,
        **{
            f"packings-{tea}-pieces": "4",
            f"packings-{tea}-ware": "acid",  # it is the key, so it stays
            f"packings-{1 - tea}-DELETE": "on",
            "packings-2-ware": "tea",
        },
    )
    assert "already" in sent.words, sent.words
    sent = await boss.send(sent, **{"packings-2-ware": "acid"})
    assert "acid goes into no parcel" in sent.words
    sent = await boss.send(sent, **{"packings-2-ware": ODD, f"packings-{1 - tea}-DELETE": None})
    assert "already" in sent.words
    sent = await boss.send(sent, **{"packings-2-ware": "", "packings-2-pieces": "1"})
    assert sent.status == 302, sent.words
    page = await boss.get(f"{PARCEL}/102/change/")
    sent = await boss.send(page, **{"packings-1-ware": ODD, "packings-1-pieces": "9"})
    assert sent.status == 302, sent.words
    assert await keyed_house.rows(PACKINGS) == [
        (101, ODD, 5, 1),
        (101, "tea", 4, 2),
        (102, ODD, 9, 1),
        (102, "tea", 7, 1),
    ]
    page = await boss.edit(f"{PARCEL}/101/delete/")
    assert page.status == 302, page.words
    assert [row[0] for row in await keyed_house.rows(PACKINGS)] == [102, 102]


async def test_a_key_of_a_day_a_text_and_a_member(keyed_house: House, boss: Visitor) -> None:
    posts = ("north", "", "a/b~c", "_5F", 'ä "x"')
    for post in posts:
        for weather in ("FINE", "FOUL"):
            async with keyed_house.platform.database.engine.begin() as connection:
                await connection.execute(
                    text(
                        "INSERT INTO keyed_watch (day, post, weather, keeper) "
                        "VALUES ('2020-02-29', :post, :weather, 'Al')"
                    ),
                    {"post": post, "weather": weather},
                )
    page = await boss.get(f"{WATCH}/")
    links = [unescape(each) for each in re.findall(rf'href="({WATCH}/[^"]*/change/)', page.text)]
    assert f"{WATCH}/2020-02-29~north~fine/change/" in links
    assert len(set(links)) == 10
    for link in links:
        sent = await boss.edit(link, keeper="Bo", _continue="")
        assert (sent.status, sent.headers["location"]) == (302, link), sent.words
        assert "Al → Bo" in (await boss.get(link.replace("change", "history"))).words
    page = await boss.get(f"{WATCH}/")
    asked = await boss.send(page, action="delete_selected", _selected_action=page.chosen[1:])
    sent = await boss.send(asked, action="delete_selected", post="yes")
    assert sent.status == 302, sent.words
    assert await keyed_house.value("SELECT count(*) FROM keyed_watch") == 1
    page = await boss.edit(f"{WATCH}/add/", day="2021-01-01", post="x", weather="FOUL")
    assert page.status == 302, page.words
    assert ("insert", "2021-01-01~x~foul") in await entries(keyed_house, "keyed_watch")


async def test_the_table_of_an_association_may_have_a_class(
    keyed_house: House, boss: Visitor
) -> None:
    page = await boss.edit("/admin/keyed/person/101/change/", clubs=["101", "102"])
    assert page.status == 302, page.words
    page = await boss.get(f"{MEMBER}/")
    assert sorted(page.chosen) == ["101~101", "101~102"]
    page = await boss.edit(f"{MEMBER}/101~102/change/", role="chair")
    assert page.status == 302, page.words
    page = await boss.edit(f"{MEMBER}/add/", person="102", club="102", role="guest")
    assert page.status == 302, page.words
    page = await boss.get("/admin/keyed/person/102/change/")
    assert page.form["clubs"] == ["102"]
    assert (await boss.send(page, clubs=["101"])).status == 302
    assert await keyed_house.rows("SELECT * FROM keyed_membership ORDER BY 1, 2") == [
        (101, 101, "member"),
        (101, 102, "chair"),
        (102, 101, "member"),
    ]
    page = await boss.get("/admin/keyed/person/101/delete/")
    asked = page.words.partition("Are you sure")[2]
    assert "People: 1 Memberships: 2 Objects" in asked  # each link once
    assert (await boss.send(page, post="yes")).status == 302
    assert await keyed_house.rows("SELECT person_id FROM keyed_membership") == [(102,)]


async def test_what_is_no_key_is_not_found(boss: Visitor) -> None:
    for key in (
        "101",
        "101~",
        "~tea",
        "x~tea",
        "101~tea~",
        "101~!",
        "101~!7e",
        "%00~%00",
        "!-~tea",
    ):
        for page in ("change", "history", "delete"):
            found = await boss.get(f"{PACKING}/{key}/{page}/")
            assert (found.status, found.headers["location"]) == (302, "/admin/"), key


def pack(db: Session, _actor: Identity | None) -> None:
    db.add_all([Packing(parcel_id=102, ware_code=each) for each in ("acid", ODD)])
    db.flush()
    for row in db.scalars(select(Packing)):
        row.pieces += 1
    db.flush()
    for row in db.scalars(select(Packing).where(Packing.parcel_id == 102)):
        db.delete(row)


async def test_a_service_s_rows_are_noted_and_published_by_the_whole_key(
    keyed_house: House, boss: Visitor
) -> None:
    async with keyed_house.platform.open_unit() as unit:
        await unit.run(pack)
    keys = ("101~a!7Eb!21c!2C_5Fd/e", "101~tea", "102~a!7Eb!21c!2C_5Fd/e", "102~acid", "102~tea")
    noted = (await entries(keyed_house))[-10:]
    assert sorted(noted) == [
        *(("delete", key) for key in keys[2:]),
        *(("insert", key) for key in keys[2:4]),
        *(("update", key) for key in keys),
    ]
    published = await keyed_house.rows(
        """SELECT data FROM trivet_publication WHERE channel = 'keyed:packings'
        ORDER BY "offset" DESC LIMIT 10"""
    )
    told = [msgspec.json.decode(data) for (data,) in reversed(published)]
    assert sorted((each["kind"], each["parcel"], each["ware"]) for each in told[7:]) == [
        ("delete", 102, "acid"),
        ("delete", 102, ODD),
        ("delete", 102, "tea"),
    ]
    assert [each["old"]["pieces"] for each in told[2:7]] == [5, 3, 1, 1, 7]


async def test_djangos_checks_find_nothing_in_such_classes(boss: Visitor) -> None:
    from django.apps import apps
    from django.core.checks import run_checks

    found = await to_thread.run_sync(run_checks, [apps.get_app_config("keyed")])
    assert found == []


@visible(Packing)
def several(actor: Identity) -> Any:
    return not of_boss(actor) or (Packing.pieces > 1)


@visible(Ware)
def packed(actor: Identity) -> Any:
    """Of another table, whose key has two columns."""
    return not of_boss(actor) or exists().where(Packing.ware_code == Ware.code)


async def test_rules_of_visibility_hold_over_keys_of_several_columns(keyed_house: House) -> None:
    declare(keyed_house, several, packed)
    await keyed_house.write(
        "INSERT INTO keyed_parcel (id, name) VALUES (701, 'red'), (702, 'blue')",
        "INSERT INTO keyed_ware (code) VALUES ('tea7'), ('ink7'), ('tar7')",
        "INSERT INTO keyed_packing (parcel_id, ware_code, pieces, note, version) VALUES "
        "(701, 'tea7', 2, 'two', 1), (702, 'tea7', 1, 'one', 1), (702, 'ink7', 1, 'ink', 1)",
        "INSERT INTO keyed_remark (id, text, parcel_id, ware_code) VALUES (701, 'x', 702, 'ink7')",
    )
    async with keyed_house.visit() as boss:
        # Other tests leave rows of their own.
        listed = {*(await boss.get(f"{PACKING}/")).chosen}
        assert listed & {"701~tea7", "702~tea7", "702~ink7"} == {"701~tea7"}
        assert (await boss.get(f"{PACKING}/701~tea7/change/")).status == 200
        assert (await boss.get(f"{PACKING}/702~tea7/change/")).status == 302
        wares = {*(await boss.get("/admin/keyed/ware/")).chosen}
        assert wares & {"ink7", "tar7", "tea7"} == {"ink7", "tea7"}
        page = await boss.edit(f"{PACKING}/701~tea7/change/", pieces="1")
        assert "You may not see" in page.words
        page = await boss.get(f"{REMARK}/701/change/")
        assert (await boss.send(page, text="y")).status == 302
        assert (await boss.send(page, packing="702~tea7")).error_at("packing")
        asked = await boss.get("/admin/keyed/parcel/702/delete/")
        assert "~ink7" not in asked.words
        assert "Packings: 2" in asked.words
    assert await keyed_house.rows("SELECT text, ware_code FROM keyed_remark WHERE id = 701") == [
        ("y", "ink7")
    ]
