"""The application of a test, as its author meets it: people, clients, sockets, consequences."""

from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from departures.models import Airline
from trivet import Conflict, Identity
from trivet.identity import Revocation
from trivet.origin import current_origin
from trivet.testing import Application, SocketClosed
from trivet.testing.composition import find_composition
from trivet.testing.forms import find_form
from trivet.testing.socket import ProtocolError

ADD = "departures.add_movement"


def add_airline(db: Session, code: str) -> str:
    db.add(Airline(code=code, name=f"Airline {code}"))
    return code


def add_airline_and_refuse(db: Session, code: str) -> None:
    add_airline(db, code)
    db.flush()
    raise Conflict("no", "No.")


def count_airlines(db: Session) -> Any:
    return db.scalar(select(func.count()).select_from(Airline))


@pytest.mark.parametrize("round_", [1, 2])
def test_each_test_begins_with_a_database_without_rows(trivet: Application, round_: int) -> None:
    assert trivet.run(count_airlines) == 0
    assert trivet.audited() == []
    trivet.run(add_airline, "B6")


def test_a_service_is_committed_audited_and_done_by_its_actor(trivet: Application) -> None:
    ada = trivet.make_user("ada")
    assert trivet.run_as(trivet.identity(ada), add_airline, "B6") == "B6"
    (entry,) = trivet.audited("departures_airline")
    assert (entry.kind, entry.key, entry.actor) == ("insert", "B6", "ada")
    assert entry.changes["name"] == {"to": "Airline B6"}


def test_a_refused_service_leaves_nothing(trivet: Application) -> None:
    with pytest.raises(Conflict):
        trivet.run(add_airline_and_refuse, "B6")
    assert trivet.run(count_airlines) == 0
    assert trivet.audited("departures_airline") == []


def test_a_user_has_exactly_what_he_was_given(trivet: Application) -> None:
    ada = trivet.make_user("ada", permissions=[ADD], groups=["clerks"], is_staff=True)
    with trivet.client(user=ada) as client:
        me = client.get("/api/auth/me").json()
    assert (me["username"], me["permissions"]) == ("ada", [ADD])
    with trivet.client() as stranger:
        assert stranger.get("/api/auth/me").status_code == 401


def test_a_permission_that_no_model_has_is_refused_by_name(trivet: Application) -> None:
    with pytest.raises(LookupError, match=r"departures\.fly_flight"):
        trivet.make_user("ada", permissions=["departures.fly_flight"])


def test_a_key_is_limited_to_its_scopes(trivet: Application) -> None:
    ada = trivet.make_user("ada", permissions=[ADD, "departures.view_flight"])
    for scopes, expected in ((None, [ADD, "departures.view_flight"]), ([ADD], [ADD]), ([], [])):
        with trivet.client(key=trivet.make_key(ada, scopes=scopes)) as client:
            assert sorted(client.get("/api/auth/me").json()["permissions"]) == expected


def test_two_clients_do_not_share_their_cookies(trivet: Application) -> None:
    ada, bob = trivet.make_user("ada"), trivet.make_user("bob")
    with trivet.client(user=ada) as one, trivet.client(user=bob) as other:
        assert one.get("/api/auth/me").json()["username"] == "ada"
        assert other.get("/api/auth/me").json()["username"] == "bob"


def test_the_admin_opens_for_staff(trivet: Application) -> None:
    boss = trivet.make_user("boss", is_staff=True, is_superuser=True)
    with trivet.client(user=boss) as client:
        assert client.get("/admin/departures/flight/").status_code == 200


class TestSocket:
    def test_it_tells_what_did_not_come(self, trivet: Application) -> None:
        with trivet.socket(wait_seconds=2) as socket:
            socket.subscribe("departures:JFK")
            with pytest.raises(TimeoutError, match=r"a publication did not come within 2 s"):
                socket.next_publication()

    @pytest.mark.parametrize(
        ("channel", "code"), [("nowhere:JFK", 102), ("departures:no-airport", 103)]
    )
    def test_a_channel_that_is_refused_is_named_with_what_opens_it(
        self, trivet: Application, channel: str, code: int
    ) -> None:
        with trivet.socket() as socket, pytest.raises(ProtocolError) as refused:
            socket.subscribe(channel)
        feature = channel.partition(":")[0]
        assert refused.value.code == code
        assert f"subscribe to '{channel}'" in str(refused.value)
        assert f"a live(…) in {feature}/events.py or a @channel in" in str(refused.value)

    def test_another_error_of_the_protocol_is_raised_with_its_code(
        self, trivet: Application
    ) -> None:
        with trivet.socket() as socket, pytest.raises(ProtocolError) as refused:
            socket.command(history={"channel": "nowhere:JFK"})
        assert str(refused.value) == "102: unknown channel"

    def test_a_logout_ends_the_socket_of_the_session(self, trivet: Application) -> None:
        ada = trivet.make_user("ada")
        with trivet.socket(user=ada) as socket:
            trivet.platform.broker.publish(Revocation(user_id=ada.id))
            assert socket.wait_closed().code == 3500

    def test_a_bad_key_never_connects(self, trivet: Application) -> None:
        with pytest.raises(SocketClosed), trivet.socket(key="tvt_nobody_nothing"):
            pass


def test_the_identity_of_a_user_may_do_what_it_is_given(trivet: Application) -> None:
    identity = trivet.identity(trivet.make_user("ada"), ADD)
    assert isinstance(identity, Identity)
    assert identity.allows(ADD)
    assert not identity.allows("departures.change_flight")


def test_the_composition_is_found_where_trivet_is_installed() -> None:
    assert type(find_composition()).__name__ == "RoomsComposition"


def test_making_people_says_nothing_of_where_later_changes_come_from(trivet: Application) -> None:
    before = current_origin()
    trivet.make_user("ada")
    assert current_origin() == before


class TestForms:
    """Pages with forms are filled in as by a browser, each in one line."""

    LIST = "/admin/departures/airline/"

    def test_a_form_of_the_admin_is_filled_in(self, trivet: Application) -> None:
        with trivet.client(
            user=trivet.make_user("eve", is_staff=True, is_superuser=True)
        ) as client:
            assert client.submit(f"{self.LIST}add/", code="B6", name="Bee").status_code == 302
            change = f"{self.LIST}B6/change/"
            assert client.submit(change, {"name": "Bee & Co"}).status_code == 302
            refused = client.submit(change, name="")
        assert refused.status_code == 200
        assert "This field is required" in refused.text
        (_, entry) = trivet.audited("departures_airline")
        assert (entry.changes["name"], entry.origin) == ({"from": "Bee", "to": "Bee & Co"}, "admin")

    def test_an_action_runs_on_rows_and_its_question_is_answered(self, trivet: Application) -> None:
        for code in ("B6", "DL", "UA"):
            trivet.run(add_airline, code)
        with trivet.client(
            user=trivet.make_user("eve", is_staff=True, is_superuser=True)
        ) as client:
            question = client.run_action(self.LIST, "delete_selected", ["B6", "UA"])
            assert trivet.run(count_airlines) == 3
            assert client.submit(question).status_code == 302
        assert trivet.run(count_airlines) == 1

    def test_a_field_that_the_form_lacks_is_named_with_those_that_it_has(
        self, trivet: Application
    ) -> None:
        with trivet.client(
            user=trivet.make_user("eve", is_staff=True, is_superuser=True)
        ) as client:
            with pytest.raises(AssertionError, match=r"no field nam; it has .*code.*name"):
                client.submit(f"{self.LIST}add/", code="B6", nam="Bee")
            with pytest.raises(AssertionError, match=r"/admin/departures/none/ answers 404"):
                client.submit("/admin/departures/none/", code="B6")
        with (
            trivet.client() as stranger,
            pytest.raises(AssertionError, match=r"The form of /admin/login/ has no field code"),
        ):
            stranger.submit(f"{self.LIST}add/", code="B6")


PAGE = """
<form method="get"><input name="q"></form>
<form method="post" action="/out"><input type="hidden" name="token" value="1"></form>
<form method="post">
  <input type="hidden" name="token" value="2">
  <input name="title" value="a &amp; b"><input name="off" disabled value="x">
  <input type="checkbox" name="ticked" checked><input type="checkbox" name="bare">
  <input type="radio" name="size" value="s"><input type="radio" name="size" value="m" checked>
  <select name="one"><option value="1">A</option><option value="2">B</option></select>
  <select name="two"><option value="1">A</option><option value="2" selected>B</option></select>
  <select name="many" multiple><option value="1" selected><option value="2" selected></select>
  <select name="none" multiple><option value="1"></select>
  <textarea name="note">
two &lt;lines&gt;
</textarea>
  <input type="hidden" name="rows-TOTAL_FORMS" value="1"><input name="rows-0-name" value="x">
  <input name="rows-__prefix__-name"><input type="submit" name="_save" value="Save">
</form>
"""
AS_IT_STANDS = {
    "token": ["2"],
    "title": ["a & b"],
    "ticked": ["on"],
    "size": ["m"],
    "one": ["1"],
    "two": ["2"],
    "many": ["1", "2"],
    "note": ["two <lines>\n"],
    "rows-TOTAL_FORMS": ["1"],
    "rows-0-name": ["x"],
}


@pytest.mark.parametrize(
    ("values", "changed"),
    [
        ({}, {}),
        ({"bare": True, "ticked": None}, {"bare": ["on"], "ticked": []}),
        ({"many": [2], "none": (1,)}, {"many": ["2"], "none": ["1"]}),
        ({"rows-2-name": "z"}, {"rows-2-name": ["z"], "rows-TOTAL_FORMS": ["3"]}),
        ({"title": 7}, {"title": ["7"]}),
    ],
)
def test_a_form_sends_what_stands_in_it_but_for_what_is_named(
    values: dict[str, Any], changed: dict[str, list[str]]
) -> None:
    assert find_form(PAGE, values, "/here").filled(values) == {**AS_IT_STANDS, **changed}
