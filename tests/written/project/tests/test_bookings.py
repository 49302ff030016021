"""The bookings: who may do what with them, and who hears of it."""

from typing import Any

from sqlalchemy.orm import Session
from trivet.testing import Application

from members.models import Member

BOOKINGS = "/api/bookings/bookings"
EVERY = [f"bookings.{action}_booking" for action in ("view", "add", "change", "delete")]


def add(db: Session, row: Any) -> Any:
    """Store a row, for others to refer to; its key."""
    db.add(row)
    db.flush()
    return row.id


def new_booking(trivet: Application) -> dict[str, Any]:
    """What a client sends for a new one."""
    return {
        "title": "A title",
        "seats": 1,
        "serial": 1,
        "price": "1.00",
        "ratio": 1.5,
        "is_paid": True,
        "day": "2030-01-02",
        "starts_at": "2030-01-02T03:04:05Z",
        "opens_at": "03:04:05",
        "lasts": "PT1H",
        "token": "7a5c1f3e-0c68-4b0f-9c0e-2f8b7c1d9e55",
        "extra": {"a": 1},
        "code": "A code",
        "guests": [trivet.run(add, Member(name="A name"))],
        "seen_by": [trivet.make_user("seen_by").id],
        "state": "open",
        "member_id": trivet.run(add, Member(name="3 name")),
        "owner_id": trivet.make_user("owner").id,
    }


def test_one_is_added_read_changed_and_removed(trivet: Application) -> None:
    with trivet.client(user=trivet.make_user("ada", permissions=EVERY)) as client:
        added = client.post(BOOKINGS, json=new_booking(trivet))
        assert added.status_code == 201, added.text
        address = f"{BOOKINGS}/{added.json()['id']}"
        assert client.get(address).json() == added.json()
        assert client.get(BOOKINGS).json()["items"] == [added.json()]
        changed = client.patch(address, json={"title": "Another"})
        assert changed.json()["title"] == "Another"
        assert client.delete(address).status_code == 204
        assert client.get(address).status_code == 404
    kinds = [each.kind for each in trivet.audited("bookings_booking")]
    assert kinds == ["insert", "update", "delete"]


def test_a_new_one_is_announced_to_who_may_see_it(trivet: Application) -> None:
    ada = trivet.make_user("ada", permissions=EVERY)
    with trivet.client(user=ada) as client, trivet.socket(user=ada) as socket:
        socket.subscribe("bookings:bookings")
        client.post(BOOKINGS, json=new_booking(trivet))
        assert socket.next_publication()["kind"] == "insert"


def test_without_the_permission_nobody_reads_or_adds(trivet: Application) -> None:
    with trivet.client(user=trivet.make_user("bob")) as client:
        assert client.get(BOOKINGS).status_code == 403
        assert client.post(BOOKINGS, json=new_booking(trivet)).status_code == 403
