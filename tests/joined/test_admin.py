"""The models of a joined project in the admin, as its ``admin.py`` registers them."""

from typing import Any

import pytest

from tests.admin.forms import read_page
from tests.admin.house import House, Visitor
from tests.admin.trail import noted, trail
from tests.joined.told import told

pytestmark = pytest.mark.anyio

INLINE = {
    "choices-TOTAL_FORMS": "1",
    "choices-INITIAL_FORMS": "0",
    "choices-0-text": "Salad",
    "choices-0-votes": "3",
}


async def test_the_index_has_the_project_and_a_lists_filters_and_search_work(
    joined_house: House,
) -> None:
    async with joined_house.visit() as visitor:
        index = await visitor.http.get("/admin/")
        assert 'href="/admin/polls/question/"' in index.text
        found = await visitor.http.get("/admin/polls/question/?q=lunch&is_open__exact=1")
        assert "What for lunch?" in found.text
        assert "Who wins?" not in found.text
        page = await visitor.http.get("/admin/polls/question/1/change/")
        site = page.text.partition('class="viewsitelink"')[0].rpartition('href="')[2].partition('"')
        there = await visitor.http.get(site[0])
        assert there.headers["location"].endswith("/polls/1/")


async def test_a_form_with_rows_below_it_is_one_change_in_trail_and_channel(
    joined_house: House,
) -> None:
    async with joined_house.visit() as visitor:
        added = await visitor.edit(
            "/admin/polls/question/add/", text="Tea?", tags=["1", "2"], author="1", **INLINE
        )
        assert added.status == 302, added.text
    entries = await trail(joined_house, "polls_question")
    insert, links = entries[-2:]
    assert (insert.kind, insert.actor, insert.row_key) == ("insert", "boss", "3")
    assert links.changes == '{"tags":{"added":["1","2"]}}'
    assert insert.request_id == links.request_id
    assert (await noted(joined_house, "polls_choice"))[-1][2]["text"] == {"to": "Salad"}
    kinds = [each["kind"] for each in await told(joined_house, "live:questions")][-2:]
    assert kinds == ["insert", "update"]


async def test_a_list_an_action_and_a_deletion_write_what_they_say(joined_house: House) -> None:
    async with joined_house.visit() as visitor:
        changes = {"form-1-is_open": None, "_save": "Save", "action": None}
        edited = await visitor.edit("/admin/polls/question/", **changes)
        assert edited.status == 302
        closed = await _act(visitor, "close", "1", "2")
        assert closed.status_code == 302
        gone = await _act(visitor, "delete_selected", "1", "2", post="yes")
        assert gone.status_code == 302
    assert await joined_house.value("SELECT count(*) FROM polls_question") == 0
    kinds = [kind for kind, *_ in await noted(joined_house, "polls_question")]
    assert kinds == ["insert", "insert", "update", "update", "delete", "delete"]


async def test_the_history_of_an_object_is_the_trails(joined_house: House) -> None:
    async with joined_house.visit() as visitor:
        await visitor.edit("/admin/polls/tag/1/change/", weight="12")
        history = await visitor.http.get("/admin/polls/tag/1/history/")
    assert history.status_code == 200
    assert "weight" in history.text.lower()
    assert (await noted(joined_house, "polls_tag"))[-1][2] == {"weight": {"from": 1, "to": 12}}


async def test_a_file_of_rows_is_imported_and_each_of_them_is_noted(joined_house: House) -> None:
    rows = b"id,name,weight\n,art,3\n1,sport,8\n"
    async with joined_house.visit() as visitor:
        page = await visitor.get("/admin/polls/tag/import/")
        assert page.status == 200
        shown = await visitor.http.post(
            "/admin/polls/tag/import/",
            data={"csrfmiddlewaretoken": page.form["csrfmiddlewaretoken"], "format": "0"},
            files={"import_file": ("tags.csv", rows, "text/csv")},
        )
        assert "art" in shown.text
        assert await joined_house.value("SELECT count(*) FROM polls_tag") == 2
        confirmed = read_page(shown).form
        done = await visitor.http.post("/admin/polls/tag/process_import/", data=confirmed)
        assert done.status_code == 302, done.text
        exported = await visitor.http.get("/admin/polls/tag/export/")
        assert exported.status_code == 200
    changes = (await noted(joined_house, "polls_tag"))[-2:]
    assert ("update", "1", {"weight": {"from": 1, "to": 8}}) in changes
    assert {"to": "art"} in [each.get("name") for *_, each in changes]
    assert await joined_house.value("SELECT count(*) FROM polls_tag") == 3


async def test_staff_without_permissions_sees_neither_list_nor_values(joined_house: House) -> None:
    def make(*_: Any) -> None:
        from tests.joined.people import create_clerk

        create_clerk()

    await joined_house.platform.run_with_django(make)
    async with joined_house.visit("clerk") as visitor:
        assert (await visitor.http.get("/admin/polls/question/")).status_code == 403
        listed = await visitor.http.get("/admin/trivet/auditentry/?table_name=polls_question")
        assert "What for lunch?" not in listed.text
        assert (await visitor.http.get("/polls/")).status_code == 200


async def _act(visitor: Visitor, action: str, *keys: str, **more: str) -> Any:
    page = await visitor.get("/admin/polls/question/")
    token = page.form["csrfmiddlewaretoken"]
    data = {"csrfmiddlewaretoken": token, "action": action, "_selected_action": list(keys), **more}
    return await visitor.http.post("/admin/polls/question/", data=data)
