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
