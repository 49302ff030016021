"""Every door of the API, asked for every row by everybody: by the rule, and by PostgreSQL alone.

Under row security the rule is taken out of the application, so that no door knows of tenants any
more. What the doors show must be the same.
"""

import httpx2
import pytest

from tests.tenancy.campus_house import act_as, forget_rules, open_campus, secure_campus, seen_by
from tests.tenancy.doors import DOORS, NUMBERS, PATHS, Door, deleted
from trivet.asgi.root import Root

pytestmark = pytest.mark.anyio

SEMINARS = frozenset({5, 6})
FLOORS = ["rule", pytest.param("policies", marks=pytest.mark.database("postgresql"))]


@pytest.fixture(params=FLOORS)
def house(request: pytest.FixtureRequest, campus_url: str) -> Root:
    """The campus behind its rule, or behind its policies alone."""
    if request.param == "policies":
        secure_campus(campus_url)
    root = open_campus(campus_url)
    if request.param == "policies":
        forget_rules(root)
    return root


@pytest.mark.parametrize("door", DOORS, ids=[door.__name__ for door in DOORS])
async def test_a_door_shows_rows_of_ones_tenants(client: httpx2.AsyncClient, door: Door) -> None:
    left = {path: {*NUMBERS} for path in PATHS}
    left["seminars"] &= SEMINARS
    wrong = []
    for name in ("", "ann", "ada", "bob", "eve", "boss"):
        act_as(client, name)
        for path in reversed(PATHS):
            wanted = seen_by(name) & left[path]
            shown = await door(client, f"/api/campus/{path}")
            if shown != wanted:
                wrong.append(f"{name or 'nobody'} at {path}: {shown} and not {wanted}")
            if door is deleted:
                left[path] -= wanted
                left["lectures"] -= wanted if path == "seminars" else set()
    assert wrong == []
