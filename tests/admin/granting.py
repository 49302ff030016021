"""The house with everybody of `grant_table` in it, and what stands in the database of them."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy import Engine, MetaData, Table, select
from sqlalchemy.orm import Session

from tests.admin import grant_mount
from tests.admin.conftest import _create_person, _disconnect_django
from tests.admin.grant_keys import make_keys, user_id
from tests.admin.grant_table import ACTORS, Actor, make_people
from tests.admin.house import PASSWORD, House, Visitor, build_house, engine_of, make_settings
from trivet.features import Feature
from trivet.identity.keys import issue_key

TABLES = (
    "accounts_user",
    "auth_group",
    "accounts_user_groups",
    "accounts_user_user_permissions",
    "auth_group_permissions",
    "trivet_api_key",
)
"""What is given to whom, referred to before it refers."""
PASSING = frozenset({"last_login", "last_used_at", "date_joined"})
"""What changes by the way: a form has the moment of joining without its microseconds."""

Rows = dict[str, dict[Any, dict[str, Any]]]


@dataclass(frozen=True)
class Granting:
    """A house, and the keys of those who come with one."""

    house: House
    keys: Mapping[str, str]
    engine: Engine
    tables: Mapping[str, Table]

    @asynccontextmanager
    async def act_as(self, name: str) -> AsyncIterator[Visitor]:
        actor = ACTORS[name]
        if actor.is_key:
            headers = {"Authorization": f"Bearer {self.keys[name]}"}
            async with self.house.client(**headers) as visitor:
                yield visitor
            return
        async with self.house.client() as visitor:
            if actor.username:
                given = {"username": actor.username, "password": PASSWORD}
                assert (await visitor.http.post("/door/login", json=given)).status_code == 200
            yield visitor

    async def rows(self) -> Rows:
        """All that is given, as another connection reads it."""
        return await asyncio.to_thread(self._rows)

    def _rows(self) -> Rows:
        with self.engine.connect() as connection:
            return {
                name: {row["id"]: dict(row) for row in connection.execute(select(table)).mappings()}
                for name, table in self.tables.items()
            }

    async def changed(self, before: Rows) -> dict[str, Any]:
        """What differs from `before`, by table, column and row; empty if nothing does."""
        found: dict[str, Any] = {}
        for name, rows in (await self.rows()).items():
            for key in rows.keys() | before[name].keys():
                was, now = before[name].get(key), rows.get(key)
                differ = {c for c in (was or now or {}) if (was or {}).get(c) != (now or {}).get(c)}
                if was is None or now is None or differ - PASSING:
                    found[f"{name} {key}"] = differ - PASSING
        return found

    async def restore(self, before: Rows) -> None:
        """Put everything back, unseen by the house."""
        await asyncio.to_thread(self._restore, before)

    def _restore(self, before: Rows) -> None:
        with self.engine.begin() as connection:
            now = self._rows()
            for name in reversed(TABLES):
                table = self.tables[name]
                for key in now[name].keys() - before[name].keys():
                    connection.execute(table.delete().where(table.c.id == key))
            for name in TABLES:
                table = self.tables[name]
                for key, row in before[name].items():
                    if key not in now[name]:
                        connection.execute(table.insert().values(row))
                    elif now[name][key] != row:
                        connection.execute(table.update().where(table.c.id == key).values(row))


@pytest.fixture
def built_granting(
    stock: tuple[Feature, ...], shelves: None, database_url: str
) -> Iterator[Granting]:
    del shelves
    make_people(_create_person)
    _disconnect_django()
    engine = engine_of(database_url)
    with Session(engine) as db:
        keys = {name: _make_key(db, actor) for name, actor in ACTORS.items() if actor.is_key}
        owners = ("weak", "chief", "strong")
        make_keys(db, {name: user_id(db, name) for name in owners})
        db.commit()
    metadata = MetaData()
    tables = {name: Table(name, metadata, autoload_with=engine) for name in TABLES}
    settings = make_settings(database_url, identity_cache_seconds=0)
    house = build_house(settings, stock, grant_mount.mount())
    yield Granting(house, keys, engine, tables)
    engine.dispose()


@pytest.fixture
async def granting(built_granting: Granting) -> AsyncIterator[Granting]:
    yield built_granting
    await built_granting.house.platform.database.close()


def _make_key(db: Session, actor: Actor) -> str:
    owner = user_id(db, actor.username)
    _, key = issue_key(db, owner_id=owner, label=actor.username, scopes=actor.scopes)
    return key
