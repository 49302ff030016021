"""Nobody gives what they do not have: at the writes themselves, whoever's code makes them.

Each attempt of the table by each kind of caller, over HTTP, in the unit of a request.
"""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import func, literal
from sqlalchemy.orm import Session

from tests.admin import grant_changes
from tests.admin.grant_keys import ATTEMPTS, user_id
from tests.admin.grant_mount import KEY_NAMES
from tests.admin.grant_table import (
    ACTORS,
    CHANGE_USER,
    DELETE,
    LATER,
    USERS,
    VIEW,
)
from tests.admin.granting import Granting, built_granting, granting
from tests.admin.house import PASSWORD, Visitor
from trivet import Forbidden, Identity, Invalid
from trivet.context import current_context
from trivet.identity import system
from trivet.identity.keys import ApiKey, issue_key, list_keys

__all__ = ["built_granting", "granting"]
pytestmark = pytest.mark.anyio

DONE, REFUSED = 409, 403


async def attempt(visitor: Visitor, name: str, by: str = "django") -> tuple[int, dict[str, Any]]:
    response = await visitor.http.post("/attempts/", params={"name": name, "by": by})
    return response.status_code, response.json()


EVERYWHERE = {"superuser", "manager of users", "staff with keys", "scoped key of the manager"}
"""Between them, every attempt is allowed, and refused if it can be; the others try on SQLite."""


@pytest.mark.parametrize(
    "who",
    [pytest.param(who, marks=() if who in EVERYWHERE else pytest.mark.once) for who in ACTORS],
)
async def test_whoever_makes_an_attempt_needs_what_it_gives(granting: Granting, who: str) -> None:
    before = await granting.rows()
    found, expected = {}, {}
    async with granting.act_as(who) as visitor:
        for name, each in ATTEMPTS.items():
            for by in ("django", "session") if name in KEY_NAMES else ("django",):
                status, answer = await attempt(visitor, name, by)
                found[name, by] = status
                expected[name, by] = DONE if each.is_allowed_to(ACTORS[who]) else REFUSED
                if status == REFUSED:
                    assert answer["code"] == "grant-refused"
                    assert answer["errors"][0]["detail"] in answer["detail"]
    wrong = {each: status for each, status in found.items() if status != expected[each]}
    assert wrong == {}
    assert await granting.changed(before) == {}


@pytest.mark.parametrize(
    "name",
    [
        "a superuser created",
        "a superuser created in bulk",
        "_update is_superuser=True of manager",
        "a stronger group joined",
        "a stronger group joined in bulk",
        "a group gets another permission",
        "a superuser with nothing else deleted",
        "a key for a superuser",
    ],
)
async def test_a_refusal_that_is_swallowed_still_commits_nothing(
    granting: Granting, name: str
) -> None:
    before = await granting.rows()
    async with granting.act_as("manager of users") as manager:
        response = await manager.http.post("/attempts/swallow", params={"name": name})
    assert await granting.changed(before) == {}
    assert response.status_code == 403


async def test_a_refusal_names_the_attribute_and_what_is_missing(granting: Granting) -> None:
    async with granting.act_as("manager of users") as manager:
        _, own = await attempt(manager, "_save is_superuser=True of manager")
        _, password = await attempt(manager, "_save password=!other of strong")
        _, key = await attempt(manager, "a scoped key for a stronger user", by="session")
    assert own["errors"] == [
        {"pointer": "/is_superuser", "detail": "Only a superuser makes superusers."}
    ]
    missing = f"This user holds what you do not: {DELETE}."
    assert password["errors"] == [{"pointer": "/password", "detail": missing}]
    assert key["errors"] == [{"pointer": "/owner", "detail": missing}]


async def run_as(granting: Granting, actor: Identity, work: Callable[[Session], Any]) -> Any:
    async with granting.house.platform.open_unit(actor=actor) as unit:
        return await unit.run(lambda db, _: work(db))


def issue(owner: str, **values: Any) -> Callable[[Session], Any]:
    return lambda db: issue_key(db, owner_id=user_id(db, owner), label="new", **values)


@pytest.mark.parametrize("way", ["issued", "added", "changed", "moved"])
async def test_a_key_never_has_more_than_its_owner_whoever_makes_it(
    granting: Granting, way: str
) -> None:
    def work(db: Session) -> None:
        if way == "issued":
            issue("weak", scopes=[VIEW, DELETE])(db)
        elif way == "added":
            owner = user_id(db, "guest")
            db.add(ApiKey(prefix="x", digest="x", label="x", owner_id=owner, scopes=[VIEW]))
        else:
            key = next(key for key in list_keys(db) if key.label == "weak")
            if way == "changed":
                key.scopes = [DELETE]
            else:
                key.owner_id = user_id(db, "guest")
        db.flush()

    before = await granting.rows()
    with pytest.raises(Invalid, match="The owner does not hold"):
        await run_as(granting, system("cli"), work)
    assert await granting.changed(before) == {}


@pytest.mark.parametrize("name", ["scopes", "owner_id", "expires_at", "digest"])
async def test_what_only_the_database_knows_of_a_key_is_refused(
    granting: Granting, name: str
) -> None:
    expressions = {"owner_id": literal(1) + 1, "expires_at": func.now(), "scopes": literal("[]")}

    def work(db: Session) -> None:
        key = next(key for key in list_keys(db) if key.label == "weak")
        setattr(key, name, expressions.get(name, func.lower("X")))
        db.flush()

    with pytest.raises(Invalid, match=f"{name} of an API key must be a plain value"):
        await run_as(granting, system("cli"), work)


OWN = Identity(user_id=0, username="registrar", kind="session", permissions=USERS)
END = datetime.now(UTC) + timedelta(days=3)


@pytest.mark.parametrize(
    ("kind", "ends", "values", "refused"),
    [
        ("session", None, {"scopes": None}, ""),
        ("session", None, {"scopes": [CHANGE_USER]}, ""),
        ("session", None, {"scopes": [VIEW]}, "You do not hold: stock.view_item."),
        ("key", None, {"scopes": None}, "Name the scopes"),
        ("key", None, {"scopes": [CHANGE_USER]}, ""),
        ("key", END, {"scopes": []}, "A key makes no key that lives longer than itself."),
        ("key", END, {"scopes": [], "expires_at": LATER}, "A key makes no key that lives longer"),
        ("key", END, {"scopes": [], "expires_at": END}, ""),
    ],
)
async def test_one_s_own_key_gives_no_more_than_one_has(
    granting: Granting, kind: Any, ends: datetime | None, values: dict[str, Any], refused: str
) -> None:
    rows = await granting.rows()
    users = rows["accounts_user"].values()
    owner = next(row["id"] for row in users if row["username"] == "registrar")
    actor = replace(OWN, user_id=owner, kind=kind, expires_at=ends)
    if refused:
        with pytest.raises(Forbidden, match=refused):
            await run_as(granting, actor, issue("registrar", **values))
    else:
        await run_as(granting, actor, issue("registrar", **values))
    assert bool(await granting.changed(rows)) is not bool(refused)


async def test_code_may_give_by_a_decision_of_its_own_and_the_trail_names_who_asked(
    granting: Granting,
) -> None:
    async with granting.act_as("plain staff") as usher:
        response = await usher.http.post("/attempts/register")
    assert response.status_code == 201
    entries = await granting.house.rows(
        "SELECT actor, changes FROM trivet_audit_entry WHERE table_name = 'accounts_user' "
        "AND kind = 'update' ORDER BY at DESC, id DESC LIMIT 1"
    )
    assert entries == [("usher", '{"groups":{"added":["viewers"]}}')]


def store_old_hash() -> None:
    """As another Django wrote it: the next login replaces it."""
    from django.contrib.auth.hashers import make_password
    from django.db import connections

    users = grant_changes.users()
    users.filter(username="boss").update(password=make_password(PASSWORD, hasher="pbkdf2_sha256"))
    connections.close_all()


async def test_a_login_that_renews_a_superuser_s_hash_is_no_change_by_who_was_logged_in(
    granting: Granting,
) -> None:
    await asyncio.to_thread(store_old_hash)
    async with granting.act_as("manager of users") as browser:
        given = {"username": "boss", "password": PASSWORD}
        response = await browser.http.post("/door/login", json=given)
    assert response.status_code == 200
    query = "SELECT password FROM accounts_user WHERE username = 'boss'"
    assert "argon2" in await granting.house.value(query)


async def test_what_comes_after_a_request_is_not_done_by_who_made_it(granting: Granting) -> None:
    async with granting.act_as("plain staff") as usher:
        await usher.get("/admin/")
    assert current_context() is None
