"""Who may not read a class at its own address does not read it through another class."""

from collections.abc import AsyncIterator, Sequence
from typing import Any

import httpx2
import pytest
from fastapi import APIRouter, FastAPI
from sqlalchemy import create_engine, insert

from tests.api.resource.bookshop_api import open_bookshop
from tests.api.resource.recital.models import Base, Critic, Draft, Poem, Poet
from tests.platform.bare import client_of
from trivet import Identity
from trivet.asgi.root import Root
from trivet.errors import ConfigurationError
from trivet.rules.addresses import Addresses
from trivet_api import public, resource
from trivet_api.resource.marks import note_addresses

pytestmark = pytest.mark.anyio

POEMS, DRAFTS = "/api/recital/poems", "/api/recital/drafts"
POET = {"id": 1, "name": "Emily"}
VIEW_DRAFT, VIEW_CRITIC = "recital.view_draft", "recital.view_critic"
HOLDERS = {
    "guest": [],
    "clerk": [],
    "reader": [VIEW_DRAFT],
    "editor": [VIEW_DRAFT, VIEW_CRITIC],
}


def find(badge: str) -> Identity:
    held = frozenset(HOLDERS[badge])
    return Identity(1, badge, "session", is_staff=badge == "clerk", permissions=held)


@pytest.fixture
def root(fresh_database_url: str) -> Root:
    engine = create_engine(fresh_database_url.replace("postgresql://", "postgresql+psycopg://"))
    Base.metadata.create_all(engine)
    with engine.begin() as connection:
        connection.execute(insert(Poet), [{**POET, "phone": "555-1"}])
        connection.execute(insert(Critic), [{"id": 2, "name": "Ambrose", "poet_id": 1}])
        poem = {"id": 3, "title": "Hope", "poet_id": 1, "critic_id": 2}
        connection.execute(insert(Poem), [poem])
        connection.execute(insert(Draft), [{"id": 4, "critic_id": 2}])
    engine.dispose()
    return open_bookshop(fresh_database_url, find, feature="tests.api.resource.recital")


@pytest.fixture
async def client(root: Root) -> AsyncIterator[httpx2.AsyncClient]:
    async with client_of(root) as client:
        yield client
    await root.platform.database.close()


CRITIC = {"id": 2, "name": "Ambrose", "poet_id": 1}
REFUSED = None
"""In place of what is shown: the word is as unknown as a misspelled one."""
ASKED: Sequence[tuple[str, str, str, Any]] = (
    # A class that has an address is read by whoever may read there, and as it is shown there.
    ("", POEMS, "expand=poet", REFUSED),
    ("guest", POEMS, "expand=poet", {"poet": POET}),
    ("clerk", POEMS, "expand=poet", {"poet": {**POET, "phone": "555-1"}}),
    ("", POEMS, "poet.name=Emily", REFUSED),
    ("guest", POEMS, "poet.name=Emily", {}),
    ("guest", POEMS, "poet.phone=555-1", REFUSED),
    ("clerk", POEMS, "poet.phone.startswith=555", {}),
    # One that has none is read by the policy of the resource that leads to it, if it has one …
    ("", POEMS, "expand=critic", {"critic": CRITIC}),
    ("", POEMS, "critic.name=Ambrose", {}),
    # … also on the way to one that has.
    ("", POEMS, "expand=critic.poet", REFUSED),
    ("guest", POEMS, "expand=critic.poet", {"critic": {**CRITIC, "poet": POET}}),
    ("", POEMS, "critic.poet.name=Emily", REFUSED),
    ("guest", POEMS, "critic.poet.name.ne=Charlotte", {}),
    # Where nobody said anything, Django's permission is asked.
    ("reader", DRAFTS, "expand=critic", REFUSED),
    ("reader", DRAFTS, "critic.name=Ambrose", REFUSED),
    ("editor", DRAFTS, "expand=critic", {"critic": CRITIC}),
    ("editor", DRAFTS, "critic.name=Ambrose", {}),
)


async def test_rows_of_a_class_are_read_through_another_by_whoever_reads_them_at_its_own_address(
    client: httpx2.AsyncClient,
) -> None:
    for badge, path, query, shown in ASKED:
        answer = await client.get(f"{path}?{query}", headers={"x-badge": badge} if badge else {})
        case = badge, path, query
        if shown is REFUSED:
            assert answer.status_code == 422, case
            assert f"Did you mean {query.partition('=')[0]}" not in answer.text, case
        else:
            assert answer.status_code == 200, (case, answer.text)
            [row] = answer.json()["items"]
            assert row == {**row, **shown}, case


async def test_a_single_row_is_expanded_as_one_of_a_list(client: httpx2.AsyncClient) -> None:
    refused = await client.get(f"{POEMS}/3?expand=poet")
    shown = await client.get(f"{POEMS}/3?expand=poet", headers={"x-badge": "guest"})
    assert refused.status_code == 422
    assert shown.json()["poet"] == POET


def test_a_filter_by_what_no_address_shows_is_refused_at_the_start() -> None:
    app = FastAPI()
    for model, options in ((Poem, {"filters": ["poet.phone"]}), (Poet, {"exclude": ["phone"]})):
        router: APIRouter = resource(model, policy=public, operations=["list"], **options)  # type: ignore[arg-type]  # a table of options
        app.include_router(router)
    with pytest.raises(ConfigurationError, match=r"'poet\.phone.*' asks for Poet\.phone, which"):
        note_addresses(app, Addresses())
