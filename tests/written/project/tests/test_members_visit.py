"""The visits: who may do what with them, and who hears of it."""

from typing import Any

from sqlalchemy.orm import Session
from trivet.testing import Application

from members.models import Member

VISITS = "/api/members/visits"
EVERY = [f"members.{action}_visit" for action in ("view", "add", "change", "delete")]


def add(db: Session, row: Any) -> Any:
    """Store a row, for others to refer to; its key."""
    db.add(row)
    db.flush()
    return row.id


def new_visit(trivet: Application) -> dict[str, Any]:
    """What a client sends for a new one."""
    return {
        "at": "2030-01-02T03:04:05Z",
        "guest_id": trivet.run(add, Member(name="A name")),
    }


def test_one_is_added_read_changed_and_removed(trivet: Application) -> None:
    with trivet.client(user=trivet.make_user("ada", permissions=EVERY)) as client:
        added = client.post(VISITS, json=new_visit(trivet))
        assert added.status_code == 201, added.text
        address = f"{VISITS}/{added.json()['id']}"
        assert client.get(address).json() == added.json()
        assert client.get(VISITS).json()["items"] == [added.json()]
        assert client.delete(address).status_code == 204
        assert client.get(address).status_code == 404
    kinds = [each.kind for each in trivet.audited("members_visit")]
    assert kinds == ["insert", "delete"]


def test_a_new_one_is_announced_to_who_may_see_it(trivet: Application) -> None:
    ada = trivet.make_user("ada", permissions=EVERY)
    with trivet.client(user=ada) as client, trivet.socket(user=ada) as socket:
        socket.subscribe("members:visits")
        client.post(VISITS, json=new_visit(trivet))
        assert socket.next_publication()["kind"] == "insert"


def test_without_the_permission_nobody_reads_or_adds(trivet: Application) -> None:
    with trivet.client(user=trivet.make_user("bob")) as client:
        assert client.get(VISITS).status_code == 403
        assert client.post(VISITS, json=new_visit(trivet)).status_code == 403
