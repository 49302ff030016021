"""Nobody gives what they do not have: in the list, by inlines and actions of a feature's admin."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest

from tests.admin.forms import Page
from tests.admin.grant_pages import USERS, checkbox, names_of
from tests.admin.grant_table import (
    ACTORS,
    COLUMNS,
    DELETE,
    NOTHING,
    needs,
)
from tests.admin.granting import Granting, built_granting, granting
from trivet import TrivetError

__all__ = ["built_granting", "granting"]
pytestmark = pytest.mark.anyio


@contextmanager
def wider_user_admin() -> Iterator[None]:
    """The admin of users as a feature may have it: editable in the list, with inlines of what
    is given, and with an action for each grant."""
    from django.contrib import admin
    from django.contrib.auth import get_user_model

    from trivet_admin.users.admin import UserAdmin

    user: Any = get_user_model()

    class Memberships(admin.TabularInline):  # type: ignore[type-arg]  # not generic at run time
        model = user.groups.through
        extra = 1

    class WiderAdmin(UserAdmin):
        list_display: Any = ("username", "email", "is_active", "is_staff", "is_superuser")
        list_editable = ("email", "is_active", "is_staff", "is_superuser")
        inlines = (Memberships,)
        actions = ("promote", "promote_quietly")

        @admin.action(description="Promote")
        def promote(self, request: Any, queryset: Any) -> None:
            del request
            queryset.update(is_superuser=True)

        @admin.action(description="Promote quietly")
        def promote_quietly(self, request: Any, queryset: Any) -> None:
            with suppress(TrivetError):
                queryset.update(is_superuser=True)
            self.message_user(request, "Promoted.")

    admin.site.unregister(user)
    admin.site.register(user, WiderAdmin)
    yield
    admin.site.unregister(user)
    admin.site.register(user, UserAdmin)


def row_of(page: Page, key: str) -> str:
    """The prefix of the row of a list that edits the object with this key."""
    return next(n for n, v in page.form.items() if n.endswith("-id") and v == key)[:-2]


IN_LIST = {
    f"{field} of {name}: {value}": (name, field, value, wanted)
    for name, field, value, wanted in COLUMNS
    if field in {"email", "is_active", "is_staff", "is_superuser"}
}


@pytest.mark.once  # as in test_grant_forms
@pytest.mark.parametrize("who", ["superuser", "manager of users", "staff with change_user"])
async def test_a_wider_admin_of_a_feature_s_gives_no_more(granting: Granting, who: str) -> None:
    names, before = await names_of(granting), await granting.rows()
    actor = ACTORS[who]
    found, expected = {}, {}
    with wider_user_admin():
        async with granting.act_as(who) as visitor:
            for edit, (name, field, value, wanted) in IN_LIST.items():
                page = await visitor.get(USERS)
                prefix = row_of(page, names.put_into(f"<user {name}>"))
                values = {f"{prefix}{field}": checkbox(value), "_save": "Save"}
                listed, page = page, await visitor.send(page, **values)
                found[edit] = bool(await granting.changed(before)), page.status
                is_given = wanted.are_met_by(actor)
                # The list with its refusal. Django 6.1 does not offer the rows that are not theirs
                # to change, and passes over what is sent for them.
                is_offered = f"{prefix}{field}" in listed.fields
                expected[edit] = is_given, 302 if is_given or not is_offered else 200
                await granting.restore(before)
            page = await visitor.get(USERS)
            chosen = names.put_into("<user guest>")
            await visitor.send(page, action="promote", _selected_action=chosen, index="0")
            found["promoted"] = bool(await granting.changed(before)), 302
            expected["promoted"] = actor.superuser, 302
            await granting.restore(before)
            sees_inline = actor.superuser or "auth.change_group" in actor.holds
            for group, wanted in (("removers", needs(DELETE)), ("empty", NOTHING)):
                if not sees_inline:
                    continue
                page = await visitor.get(USERS + names.put_into("<user guest>/change/"))
                values = {"User_groups-0-group": names.put_into(f"<group {group}>")}
                page = await visitor.send(page, **values)
                found[group] = bool(await granting.changed(before)), page.status
                is_given = wanted.are_met_by(actor)
                expected[group] = is_given, 302 if is_given else 200
                await granting.restore(before)
    assert found == expected


async def test_an_action_that_swallows_a_refusal_is_no_success(granting: Granting) -> None:
    names, before = await names_of(granting), await granting.rows()
    with wider_user_admin():
        async with granting.act_as("manager of users") as manager:
            page = await manager.get(USERS)
            chosen = names.put_into("<user guest>")
            page = await manager.send(
                page, action="promote_quietly", _selected_action=chosen, index="0"
            )
            told = await manager.get(USERS)
    assert page.status == 302
    assert "Only a superuser makes superusers." in told.words
    assert await granting.changed(before) == {}
