"""PostgreSQL keeps tenants apart by itself, whatever the application forgets."""

from collections.abc import Callable
from functools import partial
from typing import Any

import httpx2
import pytest
from sqlalchemy import Text, create_engine, literal, select, text
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.orm import Session
from sqlalchemy.sql.selectable import SelectBase

from tests.platform.watched_rules import module_of
from tests.tenancy.campus.models import TABLES, Academy, Enrolment, Lecture
from tests.tenancy.campus_house import (
    NORTH,
    OF_ACADEMY,
    PEOPLE,
    SOUTH,
    act_as,
    engine_of,
    forget_rules,
    identity,
    seen_by,
)
from tests.tenancy.doors import DOORS, PATHS
from trivet import Forbidden, Identity
from trivet.asgi.root import Root
from trivet.data.capture import Capture
from trivet.data.errors import explain
from trivet.data.replicas.replica import Replica
from trivet.data.session import TrivetSession
from trivet.observation import Observers
from trivet.origin import Origin, enter_origin
from trivet.rules import across_tenants, tenant
from trivet.rules.registry import collect_rules

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.database("postgresql"),
    pytest.mark.usefixtures("secured"),
]

EVERYBODY = [*PEOPLE, ""]
FORGETFUL = ("forgetful", "forgetful-once")
HANDOUTS = text("SELECT id FROM campus_handout ORDER BY id")


@pytest.mark.parametrize("path", FORGETFUL)
async def test_a_service_that_asks_no_rule_sees_the_rows_of_its_tenants(
    client: httpx2.AsyncClient, path: str
) -> None:
    for name in EVERYBODY:
        act_as(client, name)
        answer = await client.get(f"/api/campus/{path}")
        assert (answer.status_code, answer.json()) == (200, sorted(seen_by(name))), name


POOLED = {"database_pooler": "transaction", "direct_database_url": "postgresql://nowhere/none"}


@pytest.mark.parametrize("campus_settings", [POOLED], ids=["pooled"])
async def test_behind_a_pooler_for_transactions_it_sees_them_too(
    client: httpx2.AsyncClient,
) -> None:
    for name in EVERYBODY:
        act_as(client, name)
        for path in FORGETFUL:
            answer = await client.get(f"/api/campus/{path}")
            assert (answer.status_code, answer.json()) == (200, sorted(seen_by(name))), name


async def test_what_nobody_asked_for_sees_all_rows_and_a_plain_connection_none(
    secured: Root, campus_url: str
) -> None:
    database = secured.platform.database
    every = sorted(OF_ACADEMY[NORTH] | OF_ACADEMY[SOUTH])
    leave = enter_origin(Origin(identity("ada")))  # who has caused it does not matter
    async with database.unit(read_only=True) as session:
        assert [*await session.scalars(HANDOUTS)] == every
    leave()
    async with database.engine.begin() as connection:
        assert [*await connection.scalars(HANDOUTS)] == []
    engine = engine_of(campus_url)
    with engine.connect() as plain:
        assert [*plain.scalars(HANDOUTS)] == []
    engine.dispose()
    await database.close()


@pytest.mark.parametrize("campus_settings", [{"database_connections": 1}], ids=["one"])
async def test_a_connection_forgets_whose_it_was(secured: Root) -> None:
    """One connection for all: what was told to it, or was about to be, is of no other."""
    database = secured.platform.database
    boss = identity("boss")
    assert boss is not None

    def only_connect(db: Session, _actor: Identity) -> None:
        db.connection()

    def read(db: Session, _actor: Identity) -> list[int]:
        return [*db.scalars(HANDOUTS)]

    for work in (only_connect, read):
        async with secured.platform.open_unit(actor=boss) as unit:
            await unit.run(work)
        async with database.engine.begin() as connection:
            assert [*await connection.scalars(HANDOUTS)] == []
        async with secured.platform.open_unit(actor=identity("ann")) as unit:
            assert await unit.run(read) == []
    await database.close()


async def test_no_statement_reaches_a_table_untold(
    secured: Root, client: httpx2.AsyncClient, campus_url: str
) -> None:
    """A policy that fails where a transaction was told nothing: no door runs into it."""
    engine = create_engine(
        campus_url.replace("postgresql:", "postgresql+psycopg:") + "?options=-crole%3Dnone"
    )
    with engine.begin() as connection:
        connection.exec_driver_sql(
            "CREATE FUNCTION campus_told() RETURNS boolean STABLE LANGUAGE plpgsql AS $$ BEGIN "
            "IF coalesce(current_setting('trivet.tenants', true), '') = '' "
            "THEN RAISE EXCEPTION 'untold'; END IF; RETURN true; END $$"
        )
        for model in TABLES:
            connection.exec_driver_sql(
                f"CREATE POLICY told ON {model.__tablename__} AS RESTRICTIVE "
                "USING ((SELECT campus_told()))"
            )
    engine.dispose()
    for name in ("", "boss", "ada"):
        act_as(client, name)
        for path in FORGETFUL:
            assert (await client.get(f"/api/campus/{path}")).status_code == 200
    for door in DOORS[:-1]:
        for path in PATHS:
            assert await door(client, f"/api/campus/{path}") <= seen_by("ada")
    expanded = await client.get("/api/campus/lectures?expand=handouts,academy")
    assert [len(row["handouts"]["items"]) for row in expanded.json()["items"]] == [1, 1, 1]
    made = await client.post("/api/campus/lectures", json={"title": "new"})
    assert made.status_code == 201
    assert await DOORS[-1](client, "/api/campus/handouts") == seen_by("ada")
    with pytest.raises(ProgrammingError, match="untold"):
        async with secured.platform.database.engine.begin() as connection:
            await connection.scalars(HANDOUTS)


async def test_a_row_for_another_tenant_is_refused_in_words(secured: Root) -> None:
    forget_rules(secured)

    def write(db: Session, _actor: Identity) -> None:
        db.add(Lecture(title="x", academy_id=SOUTH))

    with pytest.raises(ProgrammingError, match="row-level security") as caught:
        async with secured.platform.open_unit(actor=identity("ada")) as unit:
            await unit.run(write)
    meant = explain(caught.value)
    assert isinstance(meant, Forbidden)
    assert meant.code == "row-not-yours"
    await secured.platform.database.close()


async def test_who_founds_a_tenant_is_in_it_at_once(secured: Root) -> None:
    def found(db: Session, actor: Identity) -> list[str]:
        with across_tenants(db):
            academy = Academy(name="East")
            db.add(academy)
            db.flush()
            db.add(Enrolment(academy_id=academy.id, person=actor.user_id))
        db.add(Lecture(title="first", academy_id=academy.id))
        db.flush()
        return [*db.scalars(select(Lecture.title).order_by(Lecture.id))]

    async with secured.platform.open_unit(actor=identity("ada")) as unit:
        assert await unit.run(found) == ["T1", "T3", "T5", "first"]
    await secured.platform.database.close()


@pytest.mark.parametrize("read_only", [False, True], ids=["writing", "reading"])
async def test_work_across_tenants_begins_and_ends_wherever_it_stands(
    secured: Root, read_only: bool
) -> None:
    def at_first(db: Session, _actor: Identity) -> list[int]:
        with across_tenants(db):
            found = [*db.scalars(HANDOUTS)]
        return [len(found), len([*db.scalars(HANDOUTS)])]

    def behind_a_connection(db: Session, actor: Identity) -> list[int]:
        db.connection()
        return at_first(db, actor)

    def without_a_statement(db: Session, _actor: Identity) -> list[int]:
        with across_tenants(db):
            db.connection()
        return [len([*db.scalars(HANDOUTS)])]

    for work, counts in (
        (at_first, [6, 3]),
        (behind_a_connection, [6, 3]),
        (without_a_statement, [3]),
    ):
        unit = secured.platform.open_unit(actor=identity("bob"), read_only=read_only)
        async with unit as opened:
            assert await opened.run(work) == counts, work.__name__
    await secured.platform.database.close()


async def test_a_failed_part_leaves_the_tenants_of_the_actor(secured: Root) -> None:
    def work(db: Session, _actor: Identity) -> list[int]:
        with pytest.raises(ProgrammingError), db.begin_nested(), across_tenants(db):
            db.execute(text("SELECT nothing"))
        return [*db.scalars(HANDOUTS)]

    async with secured.platform.open_unit(actor=identity("bob")) as unit:
        assert await unit.run(work) == sorted(seen_by("bob"))
    await secured.platform.database.close()


@pytest.mark.parametrize("single", [False, True], ids=["unit", "single query"])
async def test_a_connection_that_has_begun_elsewhere_is_told_too(
    secured: Root, campus_url: str, single: bool
) -> None:
    """As one to a replica has, before a session knows of it."""
    replica = Replica(
        campus_url, connections=1, observers=Observers(), pooler="none", statement_seconds=None
    )
    sealed = secured.platform.database.open_session(
        Origin(identity("bob")),
        read_only=True,
        single_query=single,
        find_connection=partial(replica.connect, None, single_query=single, within=True),
    )

    found = await sealed.session.run_sync(lambda db: [*db.scalars(HANDOUTS)])

    assert found == sorted(seen_by("bob"))
    await sealed.close()
    await replica.close()
    await secured.platform.database.close()


NASTY = ["o'neil", 'a"b', "back\\slash", "{*}", "*", "%s %% %(x)s", "a,b", "", "ünï", "NULL", "$1"]


def all_at_once(_actor: Identity) -> list[str]:
    return NASTY


def by_queries(actor: Identity) -> SelectBase:
    of_name = select(literal(actor.username, Text()))
    return of_name.union_all(*(select(literal(each, Text())) for each in NASTY[1:]))


@pytest.mark.parametrize("rule", [all_at_once, by_queries])
def test_the_key_of_a_tenant_arrives_as_it_is(campus_url: str, rule: Callable[..., Any]) -> None:
    declared = tenant("kind", {Lecture: "title"}, row_security=True)(rule)
    rules = collect_rules([module_of(declared=declared)])
    origin = Origin(Identity(1, NASTY[0], "session"))
    engine = engine_of(campus_url)
    with TrivetSession(bind=engine, capture=Capture(rules=rules), origin=origin) as db:
        told = db.scalar(text("SELECT CAST(current_setting('trivet.tenants') AS text[])"))
    engine.dispose()
    assert told == [f"kind={each}" for each in NASTY]
