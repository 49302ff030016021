"""Nobody gives what they do not have: on the admin's pages, by every field, button and action.

Each edit is sent as a browser would send the page, with the field in question forced into it,
whether the page shows it or not. What is allowed has to be saved, and of the rest nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from tests.admin.forms import Page
from tests.admin.grant_pages import GROUPS, KEYS, USERS, Names, checkbox, names_of
from tests.admin.grant_table import (
    ACTORS,
    BOTH,
    CHANGE_USER,
    COLUMNS,
    DELETE,
    MANAGER,
    NOTHING,
    STAFF_ACTORS,
    SUPERUSER,
    VIEW,
    Needs,
    needs,
)
from tests.admin.granting import Granting, built_granting, granting
from tests.admin.house import Visitor

__all__ = ["built_granting", "granting"]
pytestmark = pytest.mark.anyio


@dataclass(frozen=True)
class Edit:
    """A form to send: `page` below the model's list, and what is forced into it. Names in
    angle brackets stand for the ids of users, groups, permissions and keys."""

    model: str
    page: str
    values: Mapping[str, Any]
    needs: Needs
    asks: str  # the permission without which nobody sees the page

    def expects(self, who: str) -> bool:
        page = needs(self.asks)
        return page.are_met_by(ACTORS[who]) and self.needs.are_met_by(ACTORS[who])


def user_edit(name: str, field: str, value: Any, wanted: Needs) -> tuple[str, Edit]:
    values = {field: checkbox(value)}
    return f"{field} of {name}: {value}", Edit(
        USERS, f"<user {name}>/change/", values, wanted, CHANGE_USER
    )


def group_edit(name: str, field: str, value: Any, wanted: Needs) -> tuple[str, Edit]:
    page = f"<group {name}>/change/"
    return f"{field} of the group {name}: {value}", Edit(
        GROUPS, page, {field: value}, wanted, "auth.change_group"
    )


def password_edit(name: str, wanted: Needs) -> tuple[str, Edit]:
    new = "another horse battery staple"
    values = {"password1": new, "password2": new, "set-password": "Change"}
    return f"the password of {name}", Edit(
        USERS, f"<user {name}>/password/", values, wanted, CHANGE_USER
    )


def key_edit(owner: str, scopes: list[str], wanted: Needs) -> tuple[str, Edit]:
    values = {"label": "new", "owner": f"<user {owner}>", "scopes": scopes}
    return f"a key of {owner} for {scopes}", Edit(KEYS, "add/", values, wanted, "trivet.add_apikey")


EDITS: dict[str, Edit] = dict(
    [
        *(user_edit(*row) for row in COLUMNS if row[1] != "password"),
        user_edit("guest", "groups", ["<group viewers>"], needs(VIEW)),
        user_edit("guest", "groups", ["<group removers>"], needs(DELETE)),
        user_edit("guest", "groups", ["<group empty>"], NOTHING),
        user_edit("strong", "groups", ["<group empty>"], NOTHING),
        user_edit("weak", "user_permissions", [], needs(VIEW)),
        user_edit("dormant", "user_permissions", [], needs(DELETE)),
        user_edit("guest", "user_permissions", [f"<permission {VIEW}>"], needs(VIEW)),
        user_edit("guest", "user_permissions", [f"<permission {DELETE}>"], needs(DELETE)),
        user_edit("manager", "user_permissions", [f"<permission {DELETE}>"], SUPERUSER),
        user_edit("changer", "groups", ["<group removers>"], needs(DELETE)),
        user_edit("chief", "groups", [], SUPERUSER),
        user_edit("chief", "user_permissions", [f"<permission {VIEW}>"], SUPERUSER),
        group_edit("removers", "name", "other", NOTHING),
        group_edit("empty", "permissions", [f"<permission {VIEW}>"], needs(VIEW)),
        group_edit("empty", "permissions", [f"<permission {DELETE}>"], needs(DELETE)),
        group_edit("removers", "permissions", [], needs(DELETE)),
        group_edit("viewers", "permissions", [], needs(VIEW)),
        password_edit("guest", NOTHING),
        password_edit("weak", needs(VIEW)),
        password_edit("strong", BOTH),
        password_edit("manager", needs(*MANAGER)),
        password_edit("chief", SUPERUSER),
        key_edit("helper", [], SUPERUSER),
        key_edit("helper", [VIEW], SUPERUSER),  # who does not hold it
        key_edit("weak", [VIEW], needs(CHANGE_USER, VIEW)),
        key_edit("strong", [VIEW], needs(CHANGE_USER, VIEW, DELETE)),
        key_edit("chief", [], SUPERUSER),
        key_edit("chief", [VIEW], SUPERUSER),
    ]
)
del EDITS[f"a key of helper for {[VIEW]}"]

BUTTONS: dict[str, Edit] = {
    f"{kind} {name} by the {button}": Edit(model, page, values, wanted, asks)
    for kind, model, asks, name, wanted in (
        ("user", USERS, "accounts.delete_user", "guest", NOTHING),
        ("user", USERS, "accounts.delete_user", "dormant", needs(DELETE)),
        ("user", USERS, "accounts.delete_user", "grouper", needs("auth.change_group")),
        ("user", USERS, "accounts.delete_user", "chief", SUPERUSER),
        ("group", GROUPS, "auth.delete_group", "empty", NOTHING),
        ("group", GROUPS, "auth.delete_group", "viewers", needs(VIEW)),
        ("group", GROUPS, "auth.delete_group", "removers", needs(DELETE)),
        ("group", GROUPS, "auth.delete_group", "club", SUPERUSER),
        ("key", KEYS, "trivet.delete_apikey", "weak", NOTHING),
        ("key", KEYS, "trivet.delete_apikey", "chief", SUPERUSER),
        ("key", KEYS, "trivet.change_apikey", "weak", NOTHING),
        ("key", KEYS, "trivet.change_apikey", "chief", SUPERUSER),
    )
    for button, page, values in (
        (
            ("action", "", {"action": "revoke", "_selected_action": f"<{kind} {name}>"})
            if asks == "trivet.change_apikey"
            else (
                "action",
                "",
                {
                    "action": "delete_selected",
                    "_selected_action": f"<{kind} {name}>",
                    "post": "yes",
                },
            )
        ),
        *(
            []
            if asks == "trivet.change_apikey"
            else [("page", f"<{kind} {name}>/delete/", {"post": "yes"})]
        ),
    )
}


async def send(visitor: Visitor, edit: Edit, names: Names) -> Page:
    """Open the page and send it with the values, or send these alone where there is no page."""
    page = await visitor.get(edit.model + names.put_into(edit.page))
    if page.status != 200 or "csrfmiddlewaretoken" not in page.form:
        other = await visitor.get("/admin/password_change/")
        page.form = {"csrfmiddlewaretoken": other.form["csrfmiddlewaretoken"]}
    values = {name: names.put_into(value) for name, value in edit.values.items()}
    return await visitor.send(page, **values)


async def try_all(granting: Granting, who: str, edits: Mapping[str, Edit]) -> dict[str, Any]:
    """Of which edits something was saved, or the answer was no page at all."""
    names, before = await names_of(granting), await granting.rows()
    found: dict[str, Any] = {}
    async with granting.act_as(who) as visitor:
        for name, edit in edits.items():
            page = await send(visitor, edit, names)
            changed = await granting.changed(before)
            found[name] = bool(changed) if page.status in (200, 302, 403) else page.status
            await granting.restore(before)
            if changed and name == f"the password of {ACTORS[who].username}":
                await visitor.log_in(ACTORS[who].username)  # the session went with it
    return found


@pytest.mark.once  # on every database `test_grants` judges the same writes, without a page
@pytest.mark.parametrize("who", STAFF_ACTORS)
@pytest.mark.parametrize("edits", [EDITS, BUTTONS], ids=["fields", "buttons"])
async def test_a_page_saves_what_is_one_s_to_give_and_nothing_else(
    granting: Granting, who: str, edits: Mapping[str, Edit]
) -> None:
    found = await try_all(granting, who, edits)
    expected = {name: edit.expects(who) for name, edit in edits.items()}
    assert {n: saved for n, saved in found.items() if saved != expected[n]} == {}


async def test_a_form_offers_what_is_one_s_to_give(granting: Granting) -> None:
    names = await names_of(granting)
    async with granting.act_as("manager of users") as manager:
        page = await manager.get(USERS + names.put_into("<user guest>/change/"))
        key = await manager.get(KEYS + "add/")
    async with granting.act_as("staff with keys") as keeper:
        own = await keeper.get(KEYS + "add/")
    assert {"is_active", "is_staff", "groups", "user_permissions"} <= page.fields
    assert "is_superuser" not in page.fields
    assert page.options["groups"] == set(
        names.put_into(["<group viewers>", "<group empty>", "<group club>"])
    )
    assert names.put_into(f"<permission {VIEW}>") in page.options["user_permissions"]
    assert names.put_into(f"<permission {DELETE}>") not in page.options["user_permissions"]
    assert key.status == 403
    assert own.options["owner"] == {"", names.put_into("<user keeper>")}
    assert own.form["owner"] == names.put_into("<user keeper>")
    assert own.options["scopes"] == ACTORS["staff with keys"].holds


async def test_what_is_not_one_s_to_take_is_shown_and_stays(granting: Granting) -> None:
    names = await names_of(granting)
    async with granting.act_as("manager of users") as manager:
        path = USERS + names.put_into("<user strong>/change/")
        page = await manager.get(path)
        joined = names.put_into(["<group empty>"])
        saved = await manager.send(page, groups=joined, user_permissions=[], first_name="Other")
        group = await manager.edit(GROUPS + names.put_into("<group removers>/change/"), name="x")
    assert "Not yours to give or take, and kept as it is: removers." in page.words
    assert f"This user holds what you do not: {DELETE}." in page.words
    assert (saved.status, group.status) == (302, 302)
    query = (
        "SELECT g.name FROM auth_group g JOIN accounts_user_groups l ON l.group_id = g.id "
        "JOIN accounts_user u ON u.id = l.user_id WHERE u.username = 'strong' ORDER BY g.name"
    )
    assert await granting.house.rows(query) == [("empty",), ("x",)]
    count = (
        "SELECT count(*) FROM auth_group_permissions l "
        "JOIN auth_group g ON g.id = l.group_id WHERE g.name = 'x'"
    )
    assert await granting.house.value(count) == 1


async def test_a_superuser_s_page_can_only_be_looked_at_by_others(granting: Granting) -> None:
    names = await names_of(granting)
    async with granting.act_as("manager of users") as manager:
        page = await manager.get(USERS + names.put_into("<user chief>/change/"))
        password = await manager.get(USERS + names.put_into("<user chief>/password/"))
        stronger = await manager.get(USERS + names.put_into("<user strong>/password/"))
    assert page.status == 200
    assert page.fields == set()
    assert (password.status, stronger.status) == (403, 403)
    assert "Only a superuser sets the password of a superuser." in password.words
    assert f"This user holds what you do not: {DELETE}." in stronger.words


async def test_a_refused_key_says_so_at_the_field(granting: Granting) -> None:
    names = await names_of(granting)
    before = await granting.rows()
    async with granting.act_as("manager of users and keys") as registrar:
        for owner, scopes, field, sentence in (
            ("helper", [], "scopes", "Name the scopes"),
            ("strong", [VIEW], "owner", "Select a valid choice."),
            ("weak", [CHANGE_USER], "scopes", "The owner does not hold: accounts.change_user."),
        ):
            edit = key_edit(owner, scopes, NOTHING)[1]
            page = await send(registrar, edit, names)
            assert sentence in page.error_at(field)
    assert await granting.changed(before) == {}
