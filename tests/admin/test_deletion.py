"""Deleting in the admin does what `session.delete` would do, and says so before."""

from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from tests.admin.house import House, Visitor

pytestmark = pytest.mark.anyio

TABLES = ("troupe", "founder", "actor", "costume", "banner", "booking", "debt")


@pytest.fixture
async def troupe(borrowed_house: House) -> None:
    order = ("debt", "booking", "banner", "actor", "costume", "troupe", "founder")
    await borrowed_house.write(
        "UPDATE borrowed_costume SET whole_id = NULL",
        *(f"DELETE FROM borrowed_{table}" for table in order),
        "INSERT INTO borrowed_founder (id, name) VALUES (210, 'Old')",
        "INSERT INTO borrowed_troupe (id, name, founder_id) VALUES (200, 'Gone', 210), "
        "(300, 'Stays', NULL)",
        "INSERT INTO borrowed_actor (id, name, troupe_id) VALUES (201, 'Ann', 200), "
        "(202, 'Ben', 300)",
        "INSERT INTO borrowed_costume (id, name, troupe_id, whole_id) VALUES "
        "(201, 'Coat', 200, NULL), (202, 'Sleeve', NULL, 201), (203, 'Button', NULL, 202), "
        "(204, 'Hat', 300, NULL)",
        "INSERT INTO borrowed_banner (id, name, troupe_id) VALUES (201, 'Flag', 200)",
    )


async def stored(house: House) -> dict[str, list[Any]]:
    found = {}
    for table in TABLES:
        rows = await house.rows(f"SELECT * FROM borrowed_{table} ORDER BY id")
        found[table] = [tuple(row) for row in rows]
    return found


async def test_rows_that_refer_to_a_deleted_one_have_the_fate_that_session_delete_gives_them(
    borrowed_house: House, borrowed_boss: Visitor, troupe: None
) -> None:
    from tests.admin.borrowed.models import Troupe

    async with borrowed_house.platform.database.engine.connect() as connection:

        def delete(session: Any) -> dict[str, list[Any]]:
            with Session(session) as db:
                db.delete(db.get_one(Troupe, 200))
                db.flush()
                query = "SELECT * FROM borrowed_{} ORDER BY id"
                found = {t: [tuple(r) for r in db.execute(text(query.format(t)))] for t in TABLES}
                db.rollback()
                return found

        expected = await connection.run_sync(delete)
    page = await borrowed_boss.get("/admin/borrowed/troupe/200/delete/")
    assert page.status == 200
    for name in (
        "troupe 200",
        "costume 201",
        "costume 202",
        "costume 203",
        "banner 201",
        "founder 210",
    ):
        assert name in page.words, name
    for name in ("actor 201", "costume 204", "troupe 300"):
        assert name not in page.words, name
    page = await borrowed_boss.send(page)
    assert page.status == 302, page.words
    assert await stored(borrowed_house) == expected
    assert expected["actor"] == [(201, "Ann", None), (202, "Ben", 300)]
    assert [row[0] for row in expected["costume"]] == [204]
    assert expected["founder"] == []
    noted = await borrowed_house.rows(
        "SELECT table_name, kind FROM trivet_audit_entry WHERE table_name LIKE 'borrowed_%' "
        "AND row_key IN ('200', '201', '202', '203', '210')"
    )
    wanted = {
        *(("borrowed_" + name, "delete") for name in ("troupe", "costume", "banner", "founder")),
        ("borrowed_actor", "update"),
    }
    assert set(noted) == wanted


@pytest.mark.parametrize(
    "row",
    [
        "INSERT INTO borrowed_booking (id, name, troupe_id) VALUES (201, 'Gig', 200)",
        "INSERT INTO borrowed_debt (id, name, troupe_id, paid) VALUES (201, 'Rent', 200, '0')",
    ],
)
async def test_a_row_that_session_delete_would_leave_to_the_database_keeps_its_parent(
    borrowed_house: House, borrowed_boss: Visitor, troupe: None, row: str
) -> None:
    await borrowed_house.write(row)
    before = await stored(borrowed_house)
    page = await borrowed_boss.get("/admin/borrowed/troupe/200/delete/")
    assert "would require deleting the following protected related objects" in page.words
    assert await stored(borrowed_house) == before


MANY = 100
"""More rows of a model are counted and not listed."""


async def crowd(house: House, seats: int) -> None:
    await house.write(
        "DELETE FROM borrowed_seat",
        "DELETE FROM borrowed_hall",
        "INSERT INTO borrowed_hall (code, name) VALUES ('great', 'x'), ('small', 'x')",
        "INSERT INTO borrowed_seat (code, name, hall_code) VALUES ('only', 'x', 'small')",
        *(
            f"INSERT INTO borrowed_seat (code, name, hall_code) VALUES ('s{number}', 'x', 'great')"
            for number in range(seats)
        ),
    )


@pytest.mark.parametrize(
    ("seats", "beyond"), [(MANY, 0), (MANY + 1, 1), (MANY * 3 + 7, MANY * 2 + 7)]
)
async def test_a_page_lists_a_hundred_rows_and_counts_the_others(
    borrowed_house: House, borrowed_boss: Visitor, seats: int, beyond: int, statements_of: Any
) -> None:
    await crowd(borrowed_house, seats)
    path = "/admin/borrowed/hall/great/delete/"
    page = await borrowed_boss.get(path)
    assert page.status == 200
    assert f"Seats: {seats}" in page.words
    listed = page.text.partition('id="deleted-objects"')[2]
    assert listed.count("Seat: <a") == min(seats, MANY)
    assert (f"… and {beyond} more seats" in page.words) == (beyond > 0)
    assert "only" not in listed
    asked = [
        each for each in await statements_of(borrowed_boss.get(path)) if "borrowed_seat" in each
    ]
    assert all("LIMIT 101" in each or "COUNT(" in each for each in asked), asked
    done = await borrowed_boss.send(page)
    assert done.status == 302
    assert await borrowed_house.rows("SELECT code FROM borrowed_seat") == [("only",)]


async def test_a_permission_that_looks_at_rows_is_asked_about_each(
    borrowed_house: House, borrowed_boss: Visitor
) -> None:
    from django.apps import apps
    from django.contrib import admin

    await crowd(borrowed_house, MANY + 50)
    seats: Any = admin.site.get_model_admin(apps.get_model("borrowed", "Seat"))
    (last,) = await borrowed_house.rows("SELECT max(code) FROM borrowed_seat WHERE code <> 'only'")

    class Guarded(type(seats)):  # type: ignore[misc]  # whatever class it is
        def has_delete_permission(self, request: Any, obj: Any = None) -> bool:
            return obj is None or obj.pk != last[0]

    seats.__class__ = Guarded
    page = await borrowed_boss.get("/admin/borrowed/hall/great/delete/")
    assert "your account doesn't have permission to delete" in page.words
    page = await borrowed_boss.get("/admin/borrowed/hall/small/delete/")
    assert "Are you sure" in page.words


async def test_what_stands_in_the_way_is_listed_up_to_a_hundred(
    borrowed_house: House, borrowed_boss: Visitor, troupe: None
) -> None:
    row = "INSERT INTO borrowed_booking (id, name, troupe_id) VALUES ({0}, 'b', 200)"
    await borrowed_house.write(*(row.format(1000 + number) for number in range(MANY * 2)))
    page = await borrowed_boss.get("/admin/borrowed/troupe/200/delete/")
    assert page.text.count("Booking: <a") == MANY
    assert "… and more" in page.words


@pytest.mark.parametrize("more", [0, MANY * 2])
async def test_a_row_that_goes_for_two_reasons_is_counted_once(
    borrowed_house: House, borrowed_boss: Visitor, more: int
) -> None:
    others = range(1000, 1000 + more)
    new = 'INSERT INTO borrowed_work (id, pk, full_clean, state, "DoesNotExist", of__two, '
    new += "maker_id, buyer) VALUES ({0}, {0}, 'x', 'new', '0', '', '', '')"
    await borrowed_house.write(
        "DELETE FROM borrowed_work_work",
        "DELETE FROM borrowed_work WHERE id IN (901, 902) OR id >= 1000",
        *(new.format(number) for number in (901, 902, *others)),
        "INSERT INTO borrowed_work_work (work_id, other_id) VALUES (901, 902), (902, 901), "
        "(901, 901), (902, 902)",
        *(
            f"INSERT INTO borrowed_work_work (work_id, other_id) VALUES (901, {number})"
            for number in others
        ),
    )
    page = await borrowed_boss.get("/admin/borrowed/work/901/delete/")
    summary = page.words[page.words.index("Summary") : page.words.index("Objects")]
    assert f": {3 + more}" in summary, summary
    done = await borrowed_boss.send(page)
    assert done.status == 302
    left = await borrowed_house.rows("SELECT work_id, other_id FROM borrowed_work_work")
    assert left == [(902, 902)]
