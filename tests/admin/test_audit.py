"""The audit trail through Django: what every way of writing leaves, and where people read it."""

import json
from typing import Any

import pytest
from sqlalchemy.orm import Session

from tests.admin.house import House
from trivet import Identity
from trivet.audit import AuditEntry, AuditTrail, Damage, verify
from trivet.audit.reading import list_entries

pytestmark = pytest.mark.anyio

ITEM = "/admin/stock/item/1/"


async def trail(house: House, table: str = "stock_item") -> list[AuditEntry]:
    """The entries of `table`, oldest first, of a trail that is whole."""
    found: list[Damage] = []
    keys = AuditTrail(house.platform.settings.audit_secrets)
    async with house.platform.database.unit(read_only=True) as session:
        await session.run_sync(lambda db: verify(db, keys, report=found.append))
        entries = await session.run_sync(lambda db: list_entries(db, table=table, limit=1000))
    assert found == []
    return entries[::-1]


async def noted(house: House, table: str = "stock_item") -> list[tuple[str, str, Any]]:
    entries = await trail(house, table)
    return [(entry.kind, entry.row_key, json.loads(entry.changes)) for entry in entries]


# ---- what is noted --------------------------------------------------------------------------


async def test_a_saved_form_is_noted_with_who_and_by_which_request(house: House) -> None:
    async with house.visit("clerk") as clerk:
        page = await clerk.edit(f"{ITEM}change/", name="big hammer", quantity="7")
    assert page.status == 302, page.words
    (entry,) = await trail(house)
    assert (entry.actor, entry.actor_kind, entry.origin) == ("clerk", "session", "admin")
    assert entry.request_id == page.headers["x-request-id"]
    assert json.loads(entry.changes) == {
        "name": {"from": "Hammer", "to": "Big hammer"},
        "quantity": {"from": 5, "to": 7},
    }


async def test_a_cell_of_a_list_is_noted(house: House) -> None:
    async with house.visit("clerk") as clerk:
        page = await clerk.get("/admin/stock/item/")
        await clerk.send(page, **{"form-0-quantity": "6", "_save": "Save"})
    assert await noted(house) == [("update", "1", {"quantity": {"from": 5, "to": 6}})]


async def test_an_action_that_calls_a_service_is_noted(house: House) -> None:
    async with house.visit("clerk") as clerk:
        page = await clerk.get("/admin/stock/item/")
        chosen = {"action": "take_one_out", "_selected_action": ["1", "3"], "_save": None}
        await clerk.send(page, **chosen)
    assert await noted(house) == [
        ("update", "1", {"quantity": {"from": 5, "to": 4}}),
        ("update", "3", {"quantity": {"from": 3, "to": 2}}),
    ]


async def test_a_refused_action_leaves_no_entry(house: House) -> None:
    async with house.visit("clerk") as clerk:
        page = await clerk.get("/admin/stock/item/")
        chosen = {"action": "take_one_out", "_selected_action": ["1", "2"], "_save": None}
        await clerk.send(page, **chosen)
    assert await noted(house) == []


async def test_what_is_deleted_from_a_list_is_noted_with_what_it_held(house: House) -> None:
    async with house.visit() as boss:
        page = await boss.get("/admin/stock/item/")
        chosen = {"action": "delete_selected", "_selected_action": ["3"], "_save": None}
        page = await boss.send(page, **chosen)
        await boss.send(page)
    ((kind, key, changes),) = await noted(house)
    assert (kind, key) == ("delete", "3")
    assert changes["name"] == {"from": "Bear"}
    assert changes["quantity"] == {"from": 3}
    assert "supplier_id" not in changes


async def test_all_that_goes_with_a_category_is_noted(house: House) -> None:
    async with house.visit() as boss:
        await boss.edit("/admin/stock/category/tools/delete/")
    deleted = [(kind, key) for kind, key, _ in await noted(house) if kind == "delete"]
    assert sorted(deleted) == [("delete", "1"), ("delete", "2")]
    assert [kind for kind, *_ in await noted(house, "stock_category")] == ["delete"]


async def test_what_loses_its_supplier_is_noted(house: House) -> None:
    async with house.visit() as boss:
        await boss.edit("/admin/stock/supplier/1/delete/")
    assert await noted(house) == [("update", "1", {"supplier_id": {"from": 1, "to": None}})]


async def test_links_that_are_made_and_cut_are_noted(house: House) -> None:
    async with house.visit() as boss:
        await boss.edit(f"{ITEM}change/", tags=["2"])
    changes = [changes["tags"] for _, key, changes in await noted(house) if key == "1"]
    assert {"removed": ["1"]} in changes
    assert {"added": ["2"]} in changes


async def test_every_type_of_column_is_written_down(house: House) -> None:
    async with house.visit() as boss:
        page = await boss.edit(
            "/admin/stock/specimen/add/",
            instant_0="2013-02-08",
            instant_1="17:30:00",
            price="12.50",
            colour="dark-blue",
            size="L",
            day="2013-02-08",
            document='{"a": [1]}',
        )
    assert page.status == 302, page.words
    ((_, _, changes),) = await noted(house, "stock_specimen")
    expected = {
        "instant": "2013-02-08T17:30:00Z",
        "price": "12.50",
        "colour": "dark-blue",
        "size": "L",
        "day": "2013-02-08",
        "document": {"a": [1]},
        "created_by": "the database",
    }
    assert {name: changes[name]["to"] for name in expected} == expected


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


def user_named(name: str) -> Any:
    from django.contrib.auth import get_user_model

    return get_user_model().objects.get(username=name)


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


async def test_a_login_reads_no_row_for_the_trail_and_leaves_no_entry(house: House) -> None:
    def work(_db: Session, _actor: Identity) -> None:
        from django.contrib.auth.models import update_last_login
        from django.db import connection
        from django.test.utils import CaptureQueriesContext

        guest = user_named("guest")
        with CaptureQueriesContext(connection) as seen:
            update_last_login(type(guest), guest)
        assert [each["sql"].split()[0] for each in seen] == ["UPDATE"]

    before = await trail(house, "accounts_user")
    await house.platform.run_with_django(work)
    assert len(await trail(house, "accounts_user")) == len(before)


async def test_a_rolled_back_savepoint_takes_its_entries_along(house: House) -> None:
    def work(_db: Session, _actor: Identity) -> None:
        from django.contrib.auth.models import Group
        from django.db.transaction import atomic, set_rollback

        with atomic():
            Group.objects.bulk_create([Group(name="lost")])
            set_rollback(True)
        Group.objects.bulk_create([Group(name="kept")])

    await house.platform.run_with_django(work)
    ((_, _, changes),) = await noted(house, "auth_group")
    assert changes["name"] == {"to": "kept"}


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE auth_group SET name = 'x'",
        '/* no one sees */ delete from "accounts_user_groups"',
        "INSERT INTO auth_group_permissions (group_id, permission_id) VALUES (1, 1)",
        "UPDATE accounts_user SET is_superuser = (1 = 1)",
    ],
)
@pytest.mark.parametrize("hand", ["django", "session"])
async def test_a_raw_write_of_what_is_audited_is_refused(
    house: House, hand: str, statement: str
) -> None:
    def work(db: Session, _actor: Identity) -> None:
        from django.db import connection

        if hand == "session":
            db.connection().exec_driver_sql(statement)
        else:
            with connection.cursor() as cursor:
                cursor.execute(statement)

    with pytest.raises(Exception, match="audit"):
        await house.platform.run_with_django(work)
    assert await house.value("SELECT count(*) FROM accounts_user WHERE is_superuser") == 1


async def test_django_s_unaudited_tables_may_be_written_raw(house: House) -> None:
    def work(_db: Session, _actor: Identity) -> None:
        from django.db import connection

        with connection.cursor() as cursor:
            cursor.execute("DELETE FROM django_session")

    await house.platform.run_with_django(work)


# ---- what goes with a user ------------------------------------------------------------------


def issue_two(db: Session, _actor: Identity) -> None:
    from trivet.identity.keys import issue_key

    guest = user_named("guest")
    for label in ("one", "two"):
        issue_key(db, owner_id=guest.pk, label=label)


def delete_one(_db: Session, _actor: Identity) -> None:
    user_named("guest").delete()


def delete_in_bulk(_db: Session, _actor: Identity) -> None:
    from django.contrib.auth import get_user_model

    get_user_model().objects.filter(username="guest").delete()


@pytest.mark.parametrize("way", ["the admin", delete_one, delete_in_bulk])
async def test_the_keys_that_go_with_a_user_are_noted(house: House, way: Any) -> None:
    await house.platform.run_with_django(issue_two)
    if way == "the admin":
        user = await house.value("SELECT id FROM accounts_user WHERE username = 'guest'")
        async with house.visit() as boss:
            page = await boss.edit(f"/admin/accounts/user/{user}/delete/")
        assert page.status == 302, page.words
    else:
        await house.platform.run_with_django(way)
    assert await house.value("SELECT count(*) FROM trivet_api_key") == 0
    keys = await noted(house, "trivet_api_key")
    gone = [changes["label"]["from"] for kind, _, changes in keys if kind == "delete"]
    assert sorted(gone) == ["one", "two"]
    assert [kind for kind, *_ in await noted(house, "accounts_user")][-1] == "delete"


async def test_what_django_cannot_collect_is_refused_at_the_start(house: House) -> None:
    from sqlalchemy import ForeignKey
    from sqlalchemy.orm import Mapped, mapped_column

    from trivet import Model
    from trivet.errors import ConfigurationError
    from trivet.models.mapped import our_mappers
    from trivet_admin.mirror.cascade_check import require_collected

    class Badge(Model):
        __tablename__ = "start_badge"
        number: Mapped[int] = mapped_column(primary_key=True)
        colour: Mapped[str] = mapped_column(primary_key=True)
        bearer_id: Mapped[int] = mapped_column(ForeignKey("accounts_user.id", ondelete="CASCADE"))

    try:
        with pytest.raises(ConfigurationError) as refused:
            require_collected(our_mappers())
    finally:
        Model.metadata.remove(Model.metadata.tables["start_badge"])
        Model.registry._dispose_cls(Badge)
    assert "Badge is captured, and its foreign key (bearer_id) has ON DELETE CASCADE" in str(
        refused.value.detail
    )
    assert "its primary key has several columns" in str(refused.value.detail)
    assert refused.value.detail.endswith('its info={"audit": "ignored"}.')


async def test_a_key_is_noted_without_its_digest(house: House) -> None:
    async with house.visit() as boss:
        user = await house.value("SELECT id FROM accounts_user WHERE username = 'clerk'")
        await boss.edit("/admin/trivet/apikey/add/", label="Gate", owner=str(user))
    ((_, _, changes),) = await noted(house, "trivet_api_key")
    assert changes["label"] == {"to": "Gate"}
    assert changes["digest"] == {"redacted": True}


# ---- where it is read -----------------------------------------------------------------------


async def test_an_object_s_history_shows_its_audited_changes(house: House) -> None:
    async with house.visit() as boss:
        await boss.edit(f"{ITEM}change/", quantity="6")
        page = await boss.get(f"{ITEM}history/")
        other = await boss.get("/admin/stock/item/2/history/")
    assert "boss admin" in page.words
    assert "changed quantity 5 → 6" in page.words
    # Django, which knows of the admin alone, would deny it.
    assert "have a change history" not in page.words
    assert "Nothing is known to have changed here" in other.words


async def test_the_history_of_a_user_shows_what_was_changed(house: House) -> None:
    user = await house.value("SELECT id FROM accounts_user WHERE username = 'guest'")
    async with house.visit() as boss:
        await boss.edit(f"/admin/accounts/user/{user}/change/", is_staff="on")
        page = await boss.get(f"/admin/accounts/user/{user}/history/")
    assert "changed is_staff false → true" in page.words


async def test_who_may_not_read_the_trail_sees_django_s_history_alone(house: House) -> None:
    async with house.visit("clerk") as clerk:
        await clerk.edit(f"{ITEM}change/", quantity="6")
        page = await clerk.get(f"{ITEM}history/")
        refused = await clerk.get("/admin/trivet/auditentry/")
        other = await clerk.get("/admin/stock/item/2/history/")
    assert "Changed Quantity." in page.words
    assert "quantity 5 → 6" not in page.words
    assert "have a change history" not in other.words
    for each in (page, other):
        assert "needs the permission trivet.view_auditentry" in each.words
    assert refused.status == 403


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ("", ["quantity: 5 → 6", "name: Saw → Big saw"]),
        ("?q=clerk", ["quantity: 5 → 6"]),
        ("?q=Big", ["name: Saw → Big saw"]),
        ("?table_name=stock_item&kind=update&origin=admin", ["quantity: 5 → 6", "Big saw"]),
        ("?table_name=stock_tag", []),
        ("?kind=delete", []),
        ("?origin=api", []),
    ],
)
async def test_the_list_finds_entries_by_who_what_and_where(
    house: House, query: str, shown: list[str]
) -> None:
    async with house.visit("clerk") as clerk:
        await clerk.edit(f"{ITEM}change/", quantity="6")
    async with house.visit() as boss:
        await boss.edit("/admin/stock/item/2/change/", name="big saw")
        page = await boss.get(f"/admin/trivet/auditentry/{query}")
    assert page.status == 200
    changes = ("quantity: 5 → 6", "name: Saw → Big saw")
    for each in changes:
        assert (each in page.words) == any(wanted in each for wanted in shown)


async def test_an_entry_can_be_read_in_full_and_written_by_nobody(house: House) -> None:
    async with house.visit() as boss:
        await boss.edit(f"{ITEM}change/", quantity="6")
        (entry,) = await trail(house)
        place = "/admin/trivet/auditentry"
        address = f"{place}/{entry.id}"
        page = await boss.get(f"{address}/change/")
        assert "5 → 6" in page.words
        assert entry.hash in page.words
        assert "_save" not in page.form
        statuses = [
            (await boss.http.post(path, data={"actor": "nobody"})).status_code
            for path in (
                f"{address}/change/",
                f"{address}/delete/",
                "/admin/trivet/auditentry/add/",
            )
        ]
    assert statuses == [403, 403, 403]


async def test_the_index_has_a_section_for_the_trail(house: House) -> None:
    async with house.visit() as boss:
        page = await boss.get("/admin/")
    assert page.words.index("Access") < page.words.index("Audit entries")
