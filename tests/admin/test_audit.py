"""The audit trail through Django: what every way of writing leaves, and where people read it."""

import json
from typing import Any

import pytest
from sqlalchemy.orm import Session

from tests.admin.house import House
from tests.admin.trail import noted, trail, user_named
from trivet import Identity

pytestmark = pytest.mark.anyio

ITEM = "/admin/stock/item/1/"


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
    from sqlalchemy import ForeignKey, inspect
    from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

    from trivet import Model
    from trivet.errors import ConfigurationError
    from trivet_admin.mirror.cascade_check import require_collected

    class Base(DeclarativeBase):
        """Brought by no feature, so that nobody hears of it when this test is over."""

        metadata = Model.metadata

    class Badge(Base):
        __tablename__ = "start_badge"
        number: Mapped[int] = mapped_column(primary_key=True)
        bearer_id: Mapped[int] = mapped_column(ForeignKey("accounts_user.id", ondelete="CASCADE"))

    try:
        with pytest.raises(ConfigurationError) as refused:
            require_collected([inspect(Badge)])
    finally:
        Model.metadata.remove(Model.metadata.tables["start_badge"])
    said = str(refused.value.detail)
    assert "Badge is captured, and its foreign key (bearer_id) has ON DELETE CASCADE" in said
    assert "Badge is mapped on a base that no feature brings" in said
    assert said.endswith('its info={"audit": "ignored"}.')


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
