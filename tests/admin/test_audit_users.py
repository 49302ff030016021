"""The audit trail of users and groups: what every way of writing them leaves."""

import json
from typing import Any

import pytest
from sqlalchemy.orm import Session

from tests.admin.house import House
from tests.admin.trail import noted, trail, user_named
from trivet import Identity

pytestmark = pytest.mark.anyio


async def test_users_and_groups_are_noted_though_they_are_django_s(house: House) -> None:
    async with house.visit() as boss:
        page = await boss.get("/admin/auth/group/add/")
        await boss.send(page, name="Night shift")
        user = await house.value("SELECT id FROM accounts_user WHERE username = 'guest'")
        await boss.edit(f"/admin/accounts/user/{user}/change/", is_staff="on", groups=["1"])
        await boss.edit(
            f"/admin/accounts/user/{user}/password/",
            password1="another correct horse",
            password2="another correct horse",
        )
    ((kind, _, changes),) = await noted(house, "auth_group")
    assert (kind, changes["name"]) == ("insert", {"to": "Night shift"})
    changes = [each for _, key, each in await noted(house, "accounts_user") if key == str(user)]
    assert {"from": False, "to": True} in [each.get("is_staff") for each in changes]
    assert {"groups": {"added": ["Night shift"]}} in changes
    assert {"password": {"redacted": True}} in changes
    assert "argon2" not in "".join(e.changes for e in await trail(house, "accounts_user"))


def hire_and_promote(_db: Session, _actor: Identity) -> None:
    from django.contrib.auth import get_user_model

    user: Any = get_user_model()
    users = user.objects
    hired = [user(username=name, email=f"{name}@example.com") for name in ("ann", "bob")]
    users.bulk_create(hired)
    names = ["ann", "bob", "boss"]  # the boss is staff already
    assert users.filter(username__in=names).update(is_staff=True) == 3
    ann = users.get(username="ann")
    ann.first_name = "Ann"
    users.bulk_update([ann], ["first_name"])


async def test_users_that_are_written_in_bulk_are_noted_one_by_one(house: House) -> None:
    await house.platform.run_with_django(hire_and_promote)
    noted_in_all = await noted(house, "accounts_user")  # with those who live in the house
    entries = [(kind, changes) for kind, _, changes in noted_in_all[-5:]]
    assert [kind for kind, _ in entries] == ["insert", "insert", "update", "update", "update"]
    assert [changes["username"] for _, changes in entries[:2]] == [{"to": "ann"}, {"to": "bob"}]
    promoted = {"is_staff": {"from": False, "to": True}}
    assert [changes for _, changes in entries[2:]] == [
        promoted,
        promoted,
        {"first_name": {"from": "", "to": "Ann"}},
    ]


Change = tuple[str, str, dict[str, Any]]


def group_named(name: str) -> Any:
    from django.contrib.auth.models import Group

    return Group.objects.get(name=name)


def permissions_named(*names: str) -> Any:
    from django.contrib.auth.models import Permission

    return Permission.objects.filter(codename__in=names).order_by("codename")


def make_groups(_db: Session, _actor: Identity) -> None:
    """Two groups; the first may change items, and the guest is in it."""
    from django.contrib.auth.models import Group

    Group.objects.bulk_create([Group(name="day"), Group(name="night")])
    group_named("day").permissions.add(*permissions_named("change_item"))
    group_named("day").user_set.add(user_named("guest"))


def rename_by_save(_groups: Any) -> None:
    group = group_named("night")
    group.name = "dusk"
    group.save()


def rename_by_bulk_update(groups: Any) -> None:
    group = group_named("night")
    group.name = "dusk"
    groups.bulk_update([group], ["name"])


def save_an_expression(groups: Any) -> None:
    from django.db.models import Value
    from django.db.models.functions import Concat

    group = group_named("night")
    group.name = Concat("name", Value("fall"))
    group.save()


GROUPS: dict[str, tuple[Any, list[Change]]] = {
    "bulk_create": (
        lambda groups: groups.bulk_create([groups.model(name="dawn"), groups.model(name="dusk")]),
        [
            ("insert", "auth_group", {"id": {"to": 3}, "name": {"to": "dawn"}}),
            ("insert", "auth_group", {"id": {"to": 4}, "name": {"to": "dusk"}}),
        ],
    ),
    "create with a key": (
        lambda groups: groups.create(pk=9, name="dawn"),
        [("insert", "auth_group", {"id": {"to": 9}, "name": {"to": "dawn"}})],
    ),
    "update": (
        lambda groups: groups.filter(name="night").update(name="dusk"),
        [("update", "auth_group", {"name": {"from": "night", "to": "dusk"}})],
    ),
    "update over a relation": (
        lambda groups: groups.filter(user__username="guest").update(name="dusk"),
        [("update", "auth_group", {"name": {"from": "day", "to": "dusk"}})],
    ),
    "update to what it is": (lambda groups: groups.filter(name="night").update(name="night"), []),
    "update of nothing": (lambda groups: groups.filter(pk__in=[]).update(name="dusk"), []),
    "bulk_update": (
        rename_by_bulk_update,
        [("update", "auth_group", {"name": {"from": "night", "to": "dusk"}})],
    ),
    "save": (
        rename_by_save,
        [("update", "auth_group", {"name": {"from": "night", "to": "dusk"}})],
    ),
    "save of an expression": (
        save_an_expression,
        [("update", "auth_group", {"name": {"from": "night", "to": "nightfall"}})],
    ),
    "delete in bulk, and what was given with it": (
        lambda groups: groups.all().delete(),
        [
            ("delete", "auth_group", {"id": {"from": 1}, "name": {"from": "day"}}),
            ("delete", "auth_group", {"id": {"from": 2}, "name": {"from": "night"}}),
            ("update", "accounts_user", {"groups": {"removed": ["day"]}}),
            ("update", "auth_group", {"permissions": {"removed": ["stock.change_item"]}}),
        ],
    ),
    "add, of what is there too": (
        lambda groups: user_named("guest").groups.add(*groups.all()),
        [("update", "accounts_user", {"groups": {"added": ["night"]}})],
    ),
    "set": (
        lambda groups: user_named("guest").groups.set([group_named("night")]),
        [
            ("update", "accounts_user", {"groups": {"added": ["night"]}}),
            ("update", "accounts_user", {"groups": {"removed": ["day"]}}),
        ],
    ),
    "clear": (
        lambda _: user_named("guest").groups.clear(),
        [("update", "accounts_user", {"groups": {"removed": ["day"]}})],
    ),
    "add from the other end": (
        lambda _: group_named("night").user_set.add(user_named("guest"), user_named("boss")),
        [("update", "accounts_user", {"groups": {"added": ["night"]}})] * 2,
    ),
    "clear from the other end": (
        lambda _: group_named("day").user_set.clear(),
        [("update", "accounts_user", {"groups": {"removed": ["day"]}})],
    ),
    "a user's own permissions": (
        lambda _: user_named("clerk").user_permissions.set(permissions_named("delete_item")),
        [
            ("update", "accounts_user", {"user_permissions": {"added": ["stock.delete_item"]}}),
            (
                "update",
                "accounts_user",
                {
                    "user_permissions": {
                        "removed": ["stock.change_item", "stock.view_category", "stock.view_item"]
                    }
                },
            ),
        ],
    ),
    "a group's permissions": (
        lambda _: group_named("day").permissions.set(permissions_named("change_item", "add_item")),
        [("update", "auth_group", {"permissions": {"added": ["stock.add_item"]}})],
    ),
    "a permission that is deleted": (
        lambda _: permissions_named("change_item").delete(),
        [
            ("update", "accounts_user", {"user_permissions": {"removed": ["stock.change_item"]}}),
            ("update", "auth_group", {"permissions": {"removed": ["stock.change_item"]}}),
        ],
    ),
    "rows of the relation in bulk": (
        lambda _: user_named("guest").groups.through.objects.bulk_create(
            [user_named("guest").groups.through(user=user_named("boss"), group_id=2)]
        ),
        [("update", "accounts_user", {"groups": {"added": ["night"]}})],
    ),
    "rows of the relation in bulk, of what is there too": (
        lambda _: user_named("guest").groups.through.objects.bulk_create(
            [
                user_named("guest").groups.through(user=user_named("guest"), group_id=number)
                for number in (1, 2)
            ],
            ignore_conflicts=True,
        ),
        [("update", "accounts_user", {"groups": {"added": ["night"]}})],
    ),
    "rows of the relation in bulk, by keys in text": (
        lambda _: user_named("guest").groups.through.objects.bulk_create(
            [user_named("guest").groups.through(user_id=str(user_named("boss").pk), group_id="2")]
        ),
        [("update", "accounts_user", {"groups": {"added": ["night"]}})],
    ),
    "update of what is chosen once": (
        lambda groups: groups.filter(name="night").distinct().update(name="dusk"),
        [("update", "auth_group", {"name": {"from": "night", "to": "dusk"}})],
    ),
    "update over a relation of what is chosen once": (
        lambda groups: groups.filter(user__username="guest").distinct().update(name="dusk"),
        [("update", "auth_group", {"name": {"from": "day", "to": "dusk"}})],
    ),
    "delete of what is chosen once": (
        lambda groups: groups.filter(name="night").distinct().delete(),
        [("delete", "auth_group", {"id": {"from": 2}, "name": {"from": "night"}})],
    ),
    "rows of the relation, updated": (
        lambda _: user_named("guest").groups.through.objects.update(group_id=2),
        [("update", "accounts_user", {"groups": {"added": ["night"], "removed": ["day"]}})],
    ),
    "rows of the relation, deleted": (
        lambda _: user_named("guest").groups.through.objects.all().delete(),
        [("update", "accounts_user", {"groups": {"removed": ["day"]}})],
    ),
}


@pytest.mark.parametrize("way", GROUPS)
async def test_each_way_to_write_groups_and_what_they_give_is_noted(house: House, way: str) -> None:
    work, expected = GROUPS[way]
    await house.platform.run_with_django(make_groups)
    before = {table: len(await trail(house, table)) for table in ("auth_group", "accounts_user")}

    def write(_db: Session, _actor: Identity) -> None:
        from django.contrib.auth.models import Group

        work(Group.objects)

    await house.platform.run_with_django(write)
    found = [
        (entry.kind, table, json.loads(entry.changes))
        for table, count in before.items()
        for entry in (await trail(house, table))[count:]
    ]
    assert sorted(found, key=str) == sorted(expected, key=str)


@pytest.mark.parametrize(
    "options",
    [
        {"ignore_conflicts": True},
        {"update_conflicts": True, "unique_fields": ["name"], "update_fields": ["name"]},
    ],
)
async def test_what_became_of_rows_in_bulk_has_to_be_known(
    house: House, options: dict[str, Any]
) -> None:
    def create(_db: Session, _actor: Identity) -> None:
        from django.contrib.auth.models import Group

        Group.objects.bulk_create([Group(name="day")], **options)

    with pytest.raises(Exception, match="one by one"):
        await house.platform.run_with_django(create)
    assert await trail(house, "auth_group") == []


def link_by_an_expression(groups: Any) -> None:
    from django.db.models import Value

    links = user_named("guest").groups.through
    links.objects.bulk_create([links(user=user_named("guest"), group_id=Value(1))])


@pytest.mark.parametrize(
    ("write", "sentence"),
    [
        (link_by_an_expression, "read the key first"),
        (lambda groups: groups.filter(pk=1).update(id=9), "keep their primary keys"),
    ],
)
async def test_which_rows_are_meant_has_to_be_known(
    house: House, write: Any, sentence: str
) -> None:
    def work(_db: Session, _actor: Identity) -> None:
        from django.contrib.auth.models import Group

        write(Group.objects)

    await house.platform.run_with_django(make_groups)
    with pytest.raises(Exception, match=sentence):
        await house.platform.run_with_django(work)
