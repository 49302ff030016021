"""Whom and what the audit trail names, by the door that a change came through."""

from typing import Any

import pytest
from sqlalchemy.orm import Session

from tests.admin.doors import DOORS
from tests.admin.house import House
from tests.admin.stock.models import Item
from trivet import Identity
from trivet.audit.reading import list_entries
from trivet.origin import Origin

pytestmark = pytest.mark.anyio

NAMED = {
    "request": ("unit", "", "anonymous"),
    "session_of_a_request": ("unit", "", "anonymous"),
    "request_with_django": ("unit", "", "anonymous"),
    "unit_of_its_own": ("background", "", "anonymous"),
    "unit_of_its_own_with_django": ("background", "django", "system"),
    "work_after_the_response": ("background", "django", "system"),
    "message_of_a_socket": ("realtime", "pilot", "system"),
    "command": ("cli", "cli", "system"),
    "view_of_the_admin": ("background", "django", "system"),
}
"""The way, the actor and the actor's kind; these views are served to no request of anybody's."""


def add(db: Session) -> None:
    db.add(Item(name="New", category_id="tools"))


async def newest(house: House) -> Any:
    async with house.platform.database.unit(read_only=True) as session:
        (entry,) = await session.run_sync(list_entries, table="stock_item", limit=1)
    return entry


@pytest.mark.parametrize("door", DOORS)
async def test_an_entry_names_the_way_the_actor_and_the_request(house: House, door: str) -> None:
    await DOORS[door](house, add)
    entry = await newest(house)
    assert (entry.origin, entry.actor, entry.actor_kind) == NAMED[door]
    assert bool(entry.request_id) == ("request" in door or "socket" in door)


@pytest.mark.parametrize("with_django", [False, True])
async def test_a_unit_may_be_opened_for_somebody_and_for_another_origin(
    house: House, with_django: bool
) -> None:
    ada = Identity(user_id=7, username="ada", kind="key", credential_id="tvt_ada")
    origin = Origin(way="import", request_id="row 5")
    async with house.platform.open_unit(origin, actor=ada) as unit:
        assert unit.actor is ada
        await (unit.run_with_django if with_django else unit.run)(lambda db, _: add(db))
    entry = await newest(house)
    assert (entry.origin, entry.request_id, entry.actor_id) == ("import", "row 5", 7)
    assert (entry.actor, entry.actor_kind, entry.credential) == ("ada", "key", "tvt_ada")
