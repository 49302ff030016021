"""API keys in the admin: shown once, then only revoked."""

import re
from datetime import timedelta
from typing import Any

import pytest

from tests.admin.forms import Page
from tests.admin.house import House, Visitor
from trivet.identity import Revocation
from trivet.identity.keys import DEFAULT_DAYS, KEY_PATTERN, identify_key, list_keys

pytestmark = pytest.mark.anyio

KEYS = "/admin/trivet/apikey/"


async def ask_for_key(
    house: House, visitor: Visitor, owner: str = "clerk", label: str = "the tower", **values: Any
) -> Page:
    """Send the form of a new key."""
    query = "SELECT id FROM accounts_user WHERE username = :owner"
    owner_id = await house.value(query, owner=owner)
    return await visitor.edit(f"{KEYS}add/", label=label, owner=str(owner_id), **values)


async def make_key(house: House, **values: Any) -> str:
    """Make a key in the admin as boss; returns the key as it was shown."""
    async with house.visit() as boss:
        page = await ask_for_key(house, boss, **values)
        assert page.status == 200, page.words
        found = re.search(KEY_PATTERN, page.text)
        assert found is not None, page.words
        # Nothing between two requests may hold the key, nor may a cache.
        assert found.group(0) not in str(page.headers)
        assert "no-store" in page.headers["cache-control"]
        assert re.search(KEY_PATTERN, (await boss.get(KEYS)).text) is None, "shown twice"
    return found.group(0)


async def test_a_key_is_shown_once_and_is_its_owners(house: House) -> None:
    secret = await make_key(house)
    async with house.platform.database.unit(read_only=True) as session:
        identity = await identify_key(session, secret)
    assert identity is not None
    assert (identity.username, identity.kind) == ("clerk", "key")
    (row,) = await house.rows("SELECT prefix, digest, label FROM trivet_api_key")
    assert secret.startswith(row[0])
    assert not any(secret in str(value) for value in row)
    log = "SELECT object_repr FROM django_admin_log"
    assert await house.value(log) == f"the tower ({row[0]}…)"


async def test_the_list_tells_owner_and_state(house: House) -> None:
    prefix = (await make_key(house)).rpartition("_")[0]
    async with house.visit() as boss:
        page = await boss.get(KEYS)
    for word in (prefix[:16], "clerk", "the tower", "usable"):
        assert word in page.words


async def test_a_revoked_key_opens_nothing_and_is_told(
    house: House, revoked: list[Revocation]
) -> None:
    secret = await make_key(house)
    async with house.visit() as boss:
        page = await boss.get(KEYS)
        values = {"action": "revoke", "_selected_action": "1", "index": "0"}
        page = await boss.send(page, **values)
        assert page.status == 302, page.words
        assert "revoked" in (await boss.get(KEYS)).words
    async with house.platform.database.unit(read_only=True) as session:
        assert await identify_key(session, secret) is None
    assert revoked == [Revocation(credential_id="_".join(secret.split("_")[:2]))]


async def test_a_deleted_key_is_told_too(house: House, revoked: list[Revocation]) -> None:
    secret = await make_key(house)
    async with house.visit() as boss:
        page = await boss.edit(f"{KEYS}1/delete/")
    assert page.status == 302, page.words
    assert revoked == [Revocation(credential_id="_".join(secret.split("_")[:2]))]


async def test_only_the_label_of_a_key_can_be_changed(house: House) -> None:
    await make_key(house)
    async with house.visit() as boss:
        page = await boss.get(f"{KEYS}1/change/")
        assert set(page.form) - {"csrfmiddlewaretoken"} == {"label"}
        page = await boss.send(page, label="another tower")
    assert page.status == 302, page.words
    assert await house.value("SELECT label FROM trivet_api_key") == "another tower"


async def test_an_expiry_in_the_past_is_refused_in_the_form(house: House) -> None:
    async with house.visit() as boss:
        expiry = {"expires_at_0": "2001-01-01", "expires_at_1": "00:00"}
        page = await ask_for_key(house, boss, label="late", **expiry)
    assert page.status == 200
    assert "The expiry lies in the past" in page.words
    assert await house.rows("SELECT id FROM trivet_api_key") == []


async def test_a_key_lives_as_long_as_one_of_the_command_line_unless_its_maker_says_otherwise(
    house: House,
) -> None:
    await make_key(house)
    await make_key(house, label="for ever", expires_at_0="", expires_at_1="")

    async with house.platform.database.unit(read_only=True) as session:
        for_ever, usual = await session.run_sync(list_keys)
    assert for_ever.expires_at is None
    assert usual.expires_at is not None
    assert round((usual.expires_at - usual.created_at) / timedelta(days=1)) == DEFAULT_DAYS


async def test_scopes_chosen_in_the_form_limit_the_key(house: House) -> None:
    secret = await make_key(house, scopes=["stock.view_item", "stock.view_category"])
    async with house.visit() as boss:
        assert "stock.view_category, stock.view_item" in (await boss.get(KEYS)).words
    async with house.platform.database.unit(read_only=True) as session:
        identity = await identify_key(session, secret)
    assert identity is not None
    assert identity.permissions == {"stock.view_item", "stock.view_category"}


@pytest.mark.parametrize("scope", ["stock.delete_item", "accounts.change_user"])
async def test_a_scope_that_the_owner_does_not_hold_is_refused_at_its_field(
    house: House, scope: str
) -> None:
    async with house.visit() as boss:
        page = await ask_for_key(house, boss, scopes=["stock.view_item", scope])
    assert page.status == 200
    assert page.error_at("scopes") == f"The owner does not hold: {scope}."
    assert set(page.form["scopes"]) == {"stock.view_item", scope}
    assert await house.rows("SELECT id FROM trivet_api_key") == []


async def test_a_scope_that_no_permission_is_cannot_be_chosen(house: House) -> None:
    async with house.visit() as boss:
        page = await ask_for_key(house, boss, owner="boss", scopes=["stock.burn_item"])
    assert "stock.burn_item is not one of the available choices" in page.error_at("scopes")
    assert await house.rows("SELECT id FROM trivet_api_key") == []
