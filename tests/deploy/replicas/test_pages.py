"""The admin reads from replicas, and writes and reads on at the primary."""

from dataclasses import dataclass

import httpx2
import pytest

from tests.deploy.replicas.fleet import (
    FERRIES,
    HEADER,
    Fleet,
    fill_in,
    forget,
    launch,
    see,
    until,
)

pytestmark = pytest.mark.database("postgresql")


@dataclass(frozen=True)
class PageSeen:
    """What a page of the admin saw, and the ports of the servers that it asked, in order."""

    names: list[str]
    ports: list[int]


def see_page(client: httpx2.Client, **query: str) -> PageSeen:
    answer = client.get(f"{FERRIES}see/", params=query)
    assert answer.status_code == 200, answer.text
    return PageSeen(**answer.json())


def test_a_change_in_the_admin_is_in_the_list_that_follows_and_in_others_later(
    fleet: Fleet,
) -> None:
    with fleet.delayed(60_000), fleet.person() as editor, fleet.person() as reader:
        saved = fill_in(editor, f"{FERRIES}add/", name="Spirit of Tasmania")
        assert saved.status_code == 302, saved.text
        assert "Spirit of Tasmania" in editor.get(FERRIES).text
        assert "Spirit of Tasmania" in see(editor).names
        assert "Spirit of Tasmania" not in reader.get(FERRIES).text
    with fleet.person() as reader:
        until(lambda: "Spirit of Tasmania" in reader.get(FERRIES).text)


@pytest.mark.parametrize("do", ["write", "stamp"])
def test_a_page_of_the_admin_that_writes_goes_on_at_the_primary_and_is_read_back(
    fleet: Fleet, do: str
) -> None:
    with fleet.delayed(60_000), fleet.person() as person:
        before = fleet.names()
        found = see_page(person, do=do, name=f"of {do}")
        (written,) = fleet.names() - before
        assert found.ports[0] in fleet.reading
        assert found.ports[-1] == fleet.writing
        again = see_page(person)
        assert written in again.names
        assert set(again.ports) == {fleet.writing}
        assert fleet.states() == ["ok", "ok"]


def test_rows_that_a_page_has_begun_to_read_go_on_when_it_opens_a_transaction(
    fleet: Fleet,
) -> None:
    fleet.until_read_back()
    with fleet.person() as person:

        def is_begun_on_a_replica() -> bool:
            names = {launch(person) for _ in range(3)}
            found = see_page(person, do="iterate")
            assert names <= set(found.names)
            assert found.names == sorted(found.names)
            assert found.ports[1:] == [fleet.writing] * 2
            return found.ports[0] in fleet.reading

        until(is_begun_on_a_replica)


def test_a_row_of_djangos_own_that_a_page_writes_without_a_transaction_is_told_too(
    fleet: Fleet,
) -> None:
    with fleet.person() as person:
        answer = person.get(f"{FERRIES}see/", params={"do": "touch"})
        assert answer.json()["ports"][-1] == fleet.writing
        assert answer.headers[HEADER]


def test_who_is_logged_in_is_asked_of_the_primary_alone(fleet: Fleet) -> None:
    with fleet.delayed(60_000), fleet.person() as person:
        # The session is on no replica, and the browser has no position.
        assert person.get("/api/auth/me").json()["username"] == "boss"
        assert person.get(FERRIES).status_code == 200
        found = see_page(person, do="session")
        assert found.ports[0] in fleet.reading
        assert found.names[-1] != "None"
        assert person.get(FERRIES).status_code == 200

        assert person.post("/api/auth/logout").status_code == 204
        forget(person)
        assert person.get("/api/auth/me").status_code == 401
