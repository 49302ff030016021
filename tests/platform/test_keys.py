"""API keys: what one may do, when it was used, and what a lookup gives away."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import anyio
import pytest
from sqlalchemy import event, insert, select, text

from tests.platform.notes import create_tables, notes_database
from trivet.data.database import Database
from trivet.errors import Invalid
from trivet.identity import Identity
from trivet.identity import django_tables as tables
from trivet.identity.key_usage import KeyUses
from trivet.identity.keys import ApiKey, identify_key, issue_key

pytestmark = pytest.mark.anyio

BOSS, CLERK = 1, 2
CODENAMES = ("view_thing", "change_thing", "add_thing")


def _people(connection: Any) -> None:
    person = {"password": "", "first_name": "", "last_name": "", "is_staff": True}
    person |= {"is_active": True, "date_joined": datetime.now(UTC)}
    for key, name in ((BOSS, "boss"), (CLERK, "clerk")):
        named = {"id": key, "username": name, "email": name, "is_superuser": key == BOSS}
        connection.execute(insert(tables.users).values(**person, **named))
    connection.execute(insert(tables.content_types).values(id=1, app_label="app", model="thing"))
    for number, codename in enumerate(CODENAMES, 1):
        named = {"id": number, "content_type_id": 1, "codename": codename}
        connection.execute(insert(tables.permissions).values(**named))
    for number in (1, 2):
        held = {"id": number, "user_id": CLERK, "permission_id": number}
        connection.execute(insert(tables.user_permissions).values(**held))


@pytest.fixture
async def database(tmp_path: Any) -> AsyncIterator[Database]:
    url = f"sqlite:///{tmp_path / 'keys.sqlite3'}"
    await anyio.to_thread.run_sync(create_tables, url)
    database = notes_database(url)
    async with database.engine.begin() as connection:
        await connection.run_sync(_people)
    yield database
    await database.close()


async def issue(database: Database, owner: int, **options: Any) -> str:
    async with database.unit() as session:
        _, secret = await session.run_sync(
            lambda db: issue_key(db, owner_id=owner, label="test", **options)
        )
    return secret


async def identify(database: Database, secret: str) -> Identity | None:
    async with database.unit(read_only=True) as session:
        return await identify_key(session, secret)


@pytest.mark.parametrize(
    ("owner", "scopes", "allowed", "is_superuser"),
    [
        (CLERK, None, {"app.view_thing", "app.change_thing"}, False),
        (CLERK, ["app.view_thing"], {"app.view_thing"}, False),
        (CLERK, [], set(), False),
        (BOSS, None, {"app.view_thing", "app.add_thing", "no.such"}, True),
        (BOSS, ["app.view_thing"], {"app.view_thing"}, False),
        (BOSS, [], set(), False),
    ],
)
async def test_a_key_may_do_what_its_owner_may_or_less(
    database: Database,
    owner: int,
    scopes: list[str] | None,
    allowed: set[str],
    is_superuser: bool,
) -> None:
    found = await identify(database, await issue(database, owner, scopes=scopes))
    assert found is not None
    everything = {f"app.{codename}" for codename in CODENAMES} | {"no.such"}
    granted = {permission for permission in everything if found.allows(permission)}
    assert allowed <= granted
    assert is_superuser or granted == allowed
    assert (found.is_superuser, found.is_staff) == (is_superuser, scopes is None)


@pytest.mark.parametrize(
    ("owner", "scope"), [(CLERK, "app.add_thing"), (CLERK, "no.such"), (BOSS, "no.such")]
)
async def test_a_scope_that_is_not_the_owners_is_refused(
    database: Database, owner: int, scope: str
) -> None:
    with pytest.raises(Invalid, match=scope):
        await issue(database, owner, scopes=["app.view_thing", scope])


async def test_what_the_owner_loses_the_key_loses(database: Database) -> None:
    secret = await issue(database, CLERK, scopes=["app.view_thing"])
    async with database.engine.begin() as connection:
        await connection.execute(text("DELETE FROM accounts_user_user_permissions"))
    found = await identify(database, secret)
    assert found is not None
    assert not found.permissions


async def test_an_unknown_id_and_a_wrong_secret_take_the_same_path(database: Database) -> None:
    secret = await issue(database, CLERK)
    wrong = secret[:-3] + ("AAA" if secret[-3:] != "AAA" else "BBB")
    unknown = "tvt_aaaaaaaaaaaa_" + "a" * 43
    seen: list[list[str]] = []

    def note(*given: Any) -> None:
        seen[-1].append(given[2])

    event.listen(database.engine.sync_engine, "before_cursor_execute", note)
    for key in (wrong, unknown):
        seen.append([])
        assert await identify(database, key) is None
    assert seen[0] == seen[1]
    assert len([statement for statement in seen[0] if "SELECT" in statement]) == 1


async def test_the_identity_ends_with_its_key(database: Database) -> None:
    ends = datetime.now(UTC) + timedelta(hours=1)
    found = await identify(database, await issue(database, CLERK, expires_at=ends))
    assert found is not None
    assert found.expires_at == ends


async def last_use(database: Database) -> datetime | None:
    async with database.unit(read_only=True) as session:
        return await session.scalar(select(ApiKey.last_used_at))


async def test_uses_are_written_in_batches_and_at_the_end(database: Database) -> None:
    prefix = (await issue(database, CLERK))[:16]
    uses = KeyUses(database, seconds=0.6)
    await uses.start()
    uses.note(prefix)
    assert await last_use(database) is None
    with anyio.fail_after(30):
        while (first := await last_use(database)) is None:  # noqa: ASYNC110  # a row has no event
            await anyio.sleep(0.02)
    uses.note(prefix)
    await uses.stop()
    latest = await last_use(database)
    assert latest is not None
    assert latest > first


async def test_a_use_that_another_process_saw_later_stands(database: Database) -> None:
    prefix = (await issue(database, CLERK))[:16]
    early, late = KeyUses(database), KeyUses(database)
    early.note(prefix)
    await anyio.sleep(0.01)
    late.note(prefix)
    await late.flush()
    written = await last_use(database)
    await early.flush()
    assert await last_use(database) == written


async def test_uses_that_could_not_be_written_are_kept(database: Database) -> None:
    prefix = (await issue(database, CLERK))[:16]
    uses = KeyUses(database)
    uses.note(prefix)
    async with database.engine.begin() as connection:
        await connection.execute(text("ALTER TABLE trivet_api_key RENAME TO elsewhere"))
    await uses.flush()
    async with database.engine.begin() as connection:
        await connection.execute(text("ALTER TABLE elsewhere RENAME TO trivet_api_key"))
    assert await last_use(database) is None
    await uses.flush()
    assert await last_use(database) is not None
