"""The members: who may do what with them, and who hears of it."""

from typing import Any

from trivet.testing import Application

MEMBERS = "/api/members/members"
EVERY = [f"members.{action}_member" for action in ("view", "add", "change", "delete")]


def new_member(_trivet: Application) -> dict[str, Any]:
    """What a client sends for a new one."""
    return {
        "name": "A name",
        "level": "junior",
    }


def test_one_is_added_read_changed_and_removed(trivet: Application) -> None:
    with trivet.client(user=trivet.make_user("ada", permissions=EVERY)) as client:
        added = client.post(MEMBERS, json=new_member(trivet))
        assert added.status_code == 201, added.text
        address = f"{MEMBERS}/{added.json()['id']}"
        assert client.get(address).json() == added.json()
        assert client.get(MEMBERS).json()["items"] == [added.json()]
        changed = client.patch(address, json={"name": "Another"})
        assert changed.json()["name"] == "Another"
        assert client.delete(address).status_code == 204
        assert client.get(address).status_code == 404
    kinds = [each.kind for each in trivet.audited("members_member")]
    assert kinds == ["insert", "update", "delete"]


def test_a_new_one_is_announced_to_who_may_see_it(trivet: Application) -> None:
    ada = trivet.make_user("ada", permissions=EVERY)
    with trivet.client(user=ada) as client, trivet.socket(user=ada) as socket:
        socket.subscribe("members:members")
        client.post(MEMBERS, json=new_member(trivet))
        assert socket.next_publication()["kind"] == "insert"


def test_without_the_permission_nobody_reads_or_adds(trivet: Application) -> None:
    with trivet.client(user=trivet.make_user("bob")) as client:
        assert client.get(MEMBERS).status_code == 403
        assert client.post(MEMBERS, json=new_member(trivet)).status_code == 403
