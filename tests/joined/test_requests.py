"""The views of a joined project meet the site's one login, one transaction and one trail."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from tests.admin.house import PASSWORD, House, Visitor
from tests.admin.trail import noted
from tests.joined.told import told

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def visiting(house: House, username: str | None) -> AsyncIterator[Visitor]:
    """A client that has logged in at the project's own page."""
    async with house.client() as visitor:
        if username is not None:
            page = await visitor.get("/polls/login/?next=/polls/")
            await visitor.send(page, username=username, password=PASSWORD)
        yield visitor


async def post(visitor: Visitor, path: str, **data: str) -> Any:
    """As a form of the page would: with its token."""
    page = await visitor.http.get("/polls/login/")
    token = page.text.partition('csrfmiddlewaretoken" value="')[2].partition('"')[0]
    return await visitor.http.post(path, data={"csrfmiddlewaretoken": token, **data})


async def test_a_page_of_the_project_has_its_templates_files_and_links(joined_house: House) -> None:
    async with joined_house.client() as visitor:
        page = await visitor.http.get("/polls/")
        assert page.status_code == 200
        assert '<p class="motto">Ask, and count.</p>' in page.text
        assert '<p class="user">nobody</p>' in page.text
        assert 'href="/polls/1/">What for lunch?' in page.text
        assert 'href="/admin/polls/question/"' in page.text
        assert page.headers["x-polls-user"] == "nobody"
        assert page.headers["x-polls-awaited"] == "yes"
        for name in ("polls/polls", "site/site"):
            address = page.text.partition(f'href="/static/{name}.')[2].partition('"')[0]
            assert address.count(".") == 1  # the hash, and the suffix
            file = await visitor.http.get(f"/static/{name}.{address}")
            assert file.status_code == 200
            assert "immutable" in file.headers["cache-control"]


async def test_a_page_that_is_not_there_is_the_projects_and_the_admins_is_ours(
    joined_house: House,
) -> None:
    async with joined_house.visit() as visitor:
        theirs = await visitor.http.get("/polls/none/")
        ours = await visitor.http.get("/admin/none/")
    assert (theirs.status_code, ours.status_code) == (404, 404)
    assert "The project has no such page." in theirs.text
    assert "There is nothing at /admin/none/." in ours.text


async def test_a_login_of_the_project_is_the_login_of_every_room(joined_house: House) -> None:
    async with joined_house.client() as visitor:
        refused = await visitor.http.get("/polls/1/")
        assert refused.headers["location"] == "/polls/login/?next=/polls/1/"
        page = await visitor.get(refused.headers["location"])
        await visitor.send(page, username="boss", password=PASSWORD)
        assert (await visitor.http.get("/polls/1/")).headers["x-polls-user"] == "boss"
        assert (await visitor.http.get("/admin/polls/question/")).status_code == 200
        assert (await visitor.http.get("/api/auth/me")).json()["username"] == "boss"


@pytest.mark.parametrize(("person", "status"), [("voter", 302), ("guest", 403), (None, 403)])
async def test_permissions_are_those_of_the_one_user(
    joined_house: House, person: str | None, status: int
) -> None:
    async with visiting(joined_house, person) as visitor:
        answer = await post(visitor, "/polls/1/vote/", choice="Soup")
    assert answer.status_code == status
    votes = await joined_house.value("SELECT votes FROM polls_choice WHERE text = 'Soup'")
    assert votes == (1 if person == "voter" else 0)


async def test_a_form_of_another_site_is_refused(joined_house: House) -> None:
    async with visiting(joined_house, "voter") as visitor:
        answer = await visitor.http.post(
            "/polls/1/vote/", data={"choice": "Soup"}, headers={"origin": "https://evil.example"}
        )
        without_token = await visitor.http.post("/polls/1/vote/", data={"choice": "Soup"})
    assert (answer.status_code, without_token.status_code) == (403, 403)


@pytest.mark.parametrize("status", [200, 201, 303, 400, 409, 500])
async def test_both_orms_write_in_one_transaction_that_the_status_decides(
    joined_house: House, status: int
) -> None:
    async with visiting(joined_house, "voter") as visitor:
        answer = await post(visitor, "/polls/1/ballot/", status=str(status))
    assert (answer.status_code, answer.text) == (status, "1")
    is_kept = status < 400
    ballots = await joined_house.rows("SELECT question, voter FROM live_ballot")
    votes = await joined_house.rows("SELECT DISTINCT votes FROM polls_choice WHERE question_id = 1")
    visits = await joined_house.value(
        "SELECT count(*) FROM polls_visit WHERE path = '/polls/1/ballot/'"
    )
    assert ballots == ([(1, "voter")] if is_kept else [])
    assert votes == [(1,)] if is_kept else [(0,)]
    assert visits == int(is_kept)
    assert len(await told(joined_house, "live:1")) == (
        # what was there at first was told too: "No opinion" and "Soup"
        4 if is_kept else 2
    )


@pytest.mark.parametrize("path", ["/polls/1/refuse/", "/polls/1/fail/"])
async def test_a_request_that_fails_leaves_nothing(joined_house: House, path: str) -> None:
    before = await noted(joined_house, "polls_question")
    published = await told(joined_house, "live:questions")
    async with visiting(joined_house, "voter") as visitor:
        visitor.may_fail()
        answer = await post(visitor, path)
    assert answer.status_code in (409, 500)
    questions = await joined_house.rows("SELECT text FROM polls_question ORDER BY id")
    assert questions == [("What for lunch?",), ("Who wins?",)]
    assert await noted(joined_house, "polls_question") == before
    assert await told(joined_house, "live:questions") == published
    visits = "SELECT count(*) FROM polls_visit WHERE path = :path"
    assert await joined_house.value(visits, path=path) == 0


async def test_an_asynchronous_view_reads_and_writes(joined_house: House) -> None:
    async with visiting(joined_house, "voter") as visitor:
        assert (await visitor.http.get("/polls/1/later/")).text == "What for lunch? for voter"
        answer = await post(visitor, "/polls/1/later/", text="What for dinner?")
        assert answer.text == "What for dinner? for voter"
    kind, key, changes = (await noted(joined_house, "polls_question"))[-1]
    assert (kind, key) == ("update", "1")
    assert changes == {"text": {"from": "What for lunch?", "to": "What for dinner?"}}
    last = (await told(joined_house, "live:questions"))[-1]
    assert last == {
        "type": "question_changed",
        "kind": "update",
        "text": "What for dinner?",
        "old": {"text": "What for lunch?"},
        "actor": "voter",
    }


async def test_a_safe_request_that_writes_is_audited_too(joined_house: House) -> None:
    async with joined_house.client() as visitor:
        assert (await visitor.http.get("/polls/1/look/")).text == "seen"
    last = (await noted(joined_house, "polls_choice"))[-2:]
    assert [changes for _, _, changes in last] == [{"votes": {"from": 0, "to": 1}}] * 2


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE polls_choice SET votes = 99",
        "/* no */ DELETE FROM polls_question_tags",
        "INSERT INTO live_ballot (question, voter) VALUES (1, 'nobody')",
    ],
)
async def test_a_statement_past_the_orm_is_refused(joined_house: House, sql: str) -> None:
    async with visiting(joined_house, "voter") as visitor:
        visitor.may_fail()
        answer = await post(visitor, "/polls/raw/", sql=sql)
    assert answer.status_code == 500
    assert await joined_house.value("SELECT max(votes) FROM polls_choice") == 0


async def test_a_table_that_needs_no_trail_may_be_written_past_the_orm(joined_house: House) -> None:
    async with visiting(joined_house, "voter") as visitor:
        sql = "INSERT INTO polls_visit (path) VALUES ('by hand')"
        assert (await post(visitor, "/polls/raw/", sql=sql)).status_code == 200
    assert await joined_house.value("SELECT count(*) FROM polls_visit WHERE path = 'by hand'") == 1


async def test_a_session_of_sqlalchemy_does_not_write_past_django(joined_house: House) -> None:
    from sqlalchemy import text

    async with joined_house.platform.open_unit() as unit:
        with pytest.raises(Exception, match="polls_choice, which belongs to a Django application"):
            await unit.run(lambda db, *_: db.execute(text("UPDATE polls_choice SET votes = 7")))
    assert json.dumps(await joined_house.rows("SELECT DISTINCT votes FROM polls_choice")) == "[[0]]"
