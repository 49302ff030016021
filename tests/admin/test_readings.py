"""What a mapped class says of its objects is what the admin shows."""

import re
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from tests.admin.house import House, Visitor
from tests.admin.seen import declare, of_boss
from trivet import Identity
from trivet.rules import visible

pytestmark = pytest.mark.anyio

PLAYS = "/admin/borrowed/play"


@pytest.fixture
async def boss(borrowed_house: House) -> Any:
    statements = (
        *(f"DELETE FROM borrowed_{table}" for table in ("play", "tour", "seat", "hall")),
        "INSERT INTO borrowed_hall (code, name) VALUES ('A', 'large')",
        "INSERT INTO borrowed_seat (code, name, hall_code) VALUES ('s', 'l', 'A'), ('t', 'r', 'A')",
        "INSERT INTO borrowed_play (id, clean, minutes, hall_code) VALUES (101, 'Faust', 90, 'A'), "
        "(102, 'Egmont', 150, NULL)",
    )
    async with borrowed_house.platform.database.engine.begin() as connection:
        for statement in statements:
            await connection.execute(text(statement))
    async with borrowed_house.visit() as boss:
        yield boss


async def said(house: House, key: int) -> dict[str, Any]:
    """What a mapped object says."""
    from tests.admin.borrowed.admin import SAID
    from tests.admin.borrowed.models import Play

    def ask(connection: Any) -> dict[str, Any]:
        with Session(connection) as db:
            play = db.get_one(Play, key)
            found = {name: getattr(play, name) for name in SAID}
            called = {name: v() if callable(v) else v for name, v in found.items()}
            return {
                **called,
                "text": str(play),
                "hall_seats": len(called["hall_seats"]),
                "seat_names": [*called["seat_names"]],
            }

    async with house.platform.database.engine.connect() as connection:
        return await connection.run_sync(ask)


async def test_a_list_and_a_form_show_what_the_mapped_object_says(
    borrowed_house: House, boss: Visitor
) -> None:
    page = await boss.get(f"{PLAYS}/")
    for key in (101, 102):
        expected = await said(borrowed_house, key)
        form = await boss.get(f"{PLAYS}/{key}/change/")
        assert expected["text"] in form.words
        for name in ("loud", "words", "title", "hours", "shout"):
            shown = str(expected[name]).partition("?")[0]
            assert shown in page.words, (name, shown)
            assert shown in form.words, (name, shown)
    assert await said(borrowed_house, 101) | {"shout": "", "words": ""} == {
        "loud": "Faust!",
        "seats": 2,
        "title": "Faust",
        "hall_name": "large",
        "hall_seats": 2,
        "seat_names": ["l", "r"],
        "hours": 1.5,
        "lasts": False,
        "suffix": "?",
        "shout": "",
        "words": "",
        "text": "play Faust of 1.5 h",
    }
    assert "Faust! 2 Faust large seat s, seat t 1.5 False" in page.words
    assert "Egmont! 0 Egmont - - 2.5 True" in page.words
    page = await boss.get(f"{PLAYS}/101/change/")
    for label in ("Loud:", "Hall name:", "Hours:", "Shout:"):
        assert label in page.words


@pytest.mark.parametrize("has_text", [True, False])
async def test_rows_of_a_collection_are_called_as_elsewhere_in_lists_and_forms(
    boss: Visitor, monkeypatch: pytest.MonkeyPatch, has_text: bool
) -> None:
    from tests.admin.borrowed.models import Play, Seat

    if not has_text:
        monkeypatch.delattr(Seat, "__str__")
    # Of rows that the class itself tells of, beside those of a relation that Django cannot have.
    told = property(lambda play: {each.code: each for each in play.hall.seats} if play.hall else {})
    monkeypatch.setattr(Play, "words", told)
    monkeypatch.setattr(Play, "shout", lambda play: list(play.hall.seats) if play.hall else [])
    page = await boss.get(f"{PLAYS}/")
    assert "Faust large seat s, seat t 1.5 False s: seat s, t: seat t seat s, seat t ? l, r" in (
        page.words
    )
    form = await boss.get(f"{PLAYS}/101/change/")
    for shown in ("Hall seats: seat s, seat t", "Words: s: seat s, t: seat t", "Seat names: l, r"):
        assert shown in form.words
    assert "Shout: seat s, seat t Suffix" in form.words


@pytest.mark.parametrize(
    ("attributes", "hall"), [((), "- "), (("name",), "")], ids=["the row", "the attribute"]
)
async def test_a_proxy_and_a_relation_show_what_the_visitor_sees(
    borrowed_house: House, boss: Visitor, attributes: tuple[str, ...], hall: str
) -> None:
    from tests.admin.borrowed.models import Hall, Seat

    @visible(Hall, *attributes)
    def no_hall(actor: Identity) -> bool:
        return not of_boss(actor)

    @visible(Seat)
    def one_seat(actor: Identity) -> Any:
        return not of_boss(actor) or Seat.code == "s"

    declare(borrowed_house, no_hall, one_seat)
    page = await boss.get(f"{PLAYS}/")
    assert f"Faust! 2 Faust {hall}seat s 1.5 False" in page.words
    form = await boss.get(f"{PLAYS}/101/change/")
    assert "large" not in form.text


async def test_what_the_class_says_follows_a_change(borrowed_house: House, boss: Visitor) -> None:
    page = await boss.edit(f"{PLAYS}/102/change/", clean_attribute="Iphigenie", hall="A")
    assert page.status == 302, page.words
    page = await boss.get(f"{PLAYS}/")
    assert "Iphigenie! 2 Iphigenie large seat s, seat t 2.5" in page.words


def test_djangos_checks_find_nothing_in_such_classes(built_borrowed_house: House) -> None:
    from django.core.checks import run_checks

    assert run_checks(databases=[]) == []


@pytest.mark.parametrize("option", ["list_display", "readonly_fields", "list_filter", "ordering"])
def test_a_name_that_there_is_not_is_found_before_anybody_asks(
    built_borrowed_house: House, option: str
) -> None:
    from django.contrib import admin
    from django.core.checks import run_checks

    from tests.admin.borrowed.models import Play
    from trivet_admin import ModelAdmin, register
    from trivet_admin.mirror.registry import mirror

    admin.site.unregister(mirror(Play))
    register(Play)(type("SlippedAdmin", (ModelAdmin,), {option: ("loudd",)}))
    (found,) = run_checks(databases=[])
    assert "loudd" in found.msg
    assert found.is_serious()


async def test_a_row_without_a_text_is_called_by_the_repr_that_somebody_wrote(
    boss: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.admin.borrowed.models import Play

    monkeypatch.delattr(Play, "__str__")
    page = await boss.get(f"{PLAYS}/102/delete/")
    assert re.search('delete the play ["“]play Egmont["”][?]', page.words)  # each Django's quotes
