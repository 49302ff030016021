"""A few rows with keys of several columns, and where they are in the admin."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from sqlalchemy import text

from tests.admin.house import House, Visitor

PARCEL, WARE, PACKING, REMARK, WATCH, MEMBER = (
    f"/admin/keyed/{name}"
    for name in ("parcel", "ware", "packing", "remark", "watch", "membership")
)
PACKINGS = "SELECT parcel_id, ware_code, pieces, version FROM keyed_packing ORDER BY 1, 2"


ODD = "a~b!c,_5Fd/e"
TEA, OTHER = f"{PACKING}/101~tea", f"{PACKING}/101~a!7Eb!21c!2C_5F5Fd_2Fe"


@asynccontextmanager
async def filled(keyed_house: House) -> AsyncIterator[Visitor]:
    """The boss, who visits a house with a few rows."""
    tables = (
        "pack",
        "nail",
        "crate",
        "place",
        "label",
        "remark",
        "packing",
        "ware",
        "parcel",
        "watch",
        "membership",
        "person",
        "club",
    )
    statements = (
        *(f"DELETE FROM keyed_{table}" for table in tables),
        "INSERT INTO keyed_parcel (id, name) VALUES (101, 'red'), (102, 'blue')",
        f"INSERT INTO keyed_ware (code) VALUES ('tea'), ('{ODD}'), ('acid')",
        "INSERT INTO keyed_packing (parcel_id, ware_code, pieces, note, version) VALUES "
        "(101, 'tea', 3, 'green', 1), (101, 'a~b!c,_5Fd/e', 5, 'odd', 1), "
        "(102, 'tea', 7, 'black', 1)",
        "INSERT INTO keyed_person (id, name) VALUES (101, 'Ada'), (102, 'Bo')",
        "INSERT INTO keyed_club (id, name) VALUES (101, 'chess'), (102, 'rowing')",
    )
    async with keyed_house.platform.database.engine.begin() as connection:
        for statement in statements:
            await connection.execute(text(statement))
    async with keyed_house.visit() as boss:
        yield boss


async def entries(house: House, table: str = "keyed_packing") -> list[tuple[Any, ...]]:
    return await house.rows(
        "SELECT kind, row_key FROM trivet_audit_entry WHERE table_name = :table ORDER BY at, id",
        table=table,
    )
