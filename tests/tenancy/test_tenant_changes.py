"""What is written belongs to a tenant of its writer, whatever writes it."""

from collections.abc import Callable, Iterator
from contextlib import nullcontext
from typing import Any

import httpx2
import pytest
from sqlalchemy import Engine, ForeignKey, func, select
from sqlalchemy.orm import Mapped, Session, mapped_column, relationship

from tests.platform.watched_rules import module_of
from tests.tenancy.campus.models import Academy, Base, Enrolment, Handout, Lecture, Seminar
from tests.tenancy.campus.rules import academies_of
from tests.tenancy.campus_house import NORTH, SOUTH, act_as, engine_of, identity
from trivet import Forbidden, Identity, TrivetError
from trivet.data.capture import Capture
from trivet.data.session import TrivetSession
from trivet.identity import system
from trivet.origin import Origin
from trivet.rules import Tenants, across_tenants, select_visible, tenant
from trivet.rules.registry import collect_rules

Work = Callable[[Session], Any]


@pytest.fixture
def engine(campus_url: str) -> Iterator[Engine]:
    engine = engine_of(campus_url)
    yield engine
    engine.dispose()


def session_of(engine: Engine, actor: Identity | None) -> TrivetSession:
    rules = collect_rules([module_of(academies_of=academies_of)])
    return TrivetSession(bind=engine, capture=Capture(rules=rules), origin=Origin(actor))


def refusal(engine: Engine, actor: Identity | None, work: Work) -> str:
    """The code with which `work` is refused, and the attribute; empty if it is done."""
    with session_of(engine, actor) as db:
        try:
            work(db)
            db.flush()
        except TrivetError as error:
            (place,) = (each["pointer"] for each in error.data.get("errors", [{"pointer": ""}]))
            return f"{error.code} {place}".strip()
    return ""


def added(*rows: Any) -> Work:
    return lambda db: db.add_all([type(row)(**_values(row)) for row in rows])


def _values(row: Any) -> dict[str, Any]:
    return {key: value for key, value in vars(row).items() if not key.startswith("_")}


def changing(model: type[Any], number: int, **values: Any) -> Work:
    def work(db: Session) -> None:
        row = db.get_one(model, number)
        for name, value in values.items():
            setattr(row, name, value)

    return work


def deleting(model: type[Any], number: int) -> Work:
    return lambda db: db.delete(db.get_one(model, number))


NOT_YOURS, FIXED = "row-not-yours /academy_id", "tenant-fixed /academy_id"
OF_PARENT, TO_PARENT = "row-not-yours /lecture", "tenant-fixed /lecture"

WRITES: list[tuple[str, str, Work, str]] = [
    ("ada", "a lecture of hers", added(Lecture(title="x", academy_id=NORTH)), ""),
    ("ada", "one of another", added(Lecture(title="x", academy_id=SOUTH)), NOT_YOURS),
    ("ada", "one that names none", added(Lecture(title="x")), ""),
    ("ada", "a seminar that names none", added(Seminar(title="x", kind="seminar")), ""),
    ("eve", "one that names none of two", added(Lecture(title="x")), "tenant-needed /academy_id"),
    ("ann", "one that names none of none", added(Lecture(title="x")), NOT_YOURS),
    ("", "one of nobody", added(Lecture(title="x", academy_id=NORTH)), NOT_YOURS),
    ("boss", "one of either", added(Lecture(title="x", academy_id=SOUTH)), ""),
    ("command", "one of either", added(Lecture(title="x", academy_id=SOUTH)), ""),
    ("background", "one of either", added(Lecture(title="x", academy_id=SOUTH)), ""),
    ("ada", "a handout of hers", added(Handout(text="x", lecture_id=1)), ""),
    ("ada", "a handout of another", added(Handout(text="x", lecture_id=2)), OF_PARENT),
    ("ada", "an academy", added(Academy(name="East")), "row-not-yours"),
    ("boss", "an academy", added(Academy(name="East")), ""),
    ("ada", "an enrolment elsewhere", added(Enrolment(person=1, academy_id=SOUTH)), NOT_YOURS),
    ("ada", "a change of hers", changing(Lecture, 1, title="y"), ""),
    ("ada", "a change of another's", changing(Lecture, 2, title="y"), NOT_YOURS),
    ("ada", "a change of another's seminar", changing(Seminar, 6, seats=9), NOT_YOURS),
    ("ada", "a change of another's handout", changing(Handout, 2, text="y"), OF_PARENT),
    ("ada", "a move to another", changing(Lecture, 1, academy_id=SOUTH), FIXED),
    ("eve", "a move between hers", changing(Lecture, 1, academy_id=SOUTH), FIXED),
    ("boss", "a move", changing(Lecture, 1, academy_id=SOUTH), ""),
    ("eve", "a handout to a lecture elsewhere", changing(Handout, 1, lecture_id=2), TO_PARENT),
    ("eve", "a handout to a lecture beside", changing(Handout, 1, lecture_id=3), ""),
    ("ada", "a deletion of hers", deleting(Lecture, 3), ""),
    ("ada", "a deletion of another's", deleting(Lecture, 4), NOT_YOURS),
]


def actor_named(name: str) -> Identity | None:
    if name == "background":
        return None
    anonymous = Identity(None, "", "anonymous")
    return system("import") if name == "command" else identity(name) or anonymous


@pytest.mark.parametrize(
    ("name", "work", "refused"),
    [pytest.param(n, work, r, id=f"{n or 'nobody'}: {what}") for n, what, work, r in WRITES],
)
def test_a_change_stays_in_the_tenants_of_its_writer(
    engine: Engine, name: str, work: Work, refused: str
) -> None:
    assert refusal(engine, actor_named(name), work) == refused


def test_a_row_that_names_no_tenant_gets_that_of_its_writer(engine: Engine) -> None:
    with session_of(engine, identity("bob")) as db:
        lecture = Lecture(title="x")
        handout = Handout(text="y", lecture=lecture)
        db.add(handout)
        db.flush()
        assert lecture.academy_id == SOUTH


def test_a_row_that_refers_to_its_tenant_keeps_it(engine: Engine) -> None:
    with session_of(engine, identity("eve")) as db:
        lecture = Lecture(title="x", academy=db.get_one(Academy, SOUTH))
        db.add(lecture)
        db.flush()
        assert lecture.academy_id == SOUTH


def test_a_new_parent_of_another_tenant_is_none_for_its_child(engine: Engine) -> None:
    with session_of(engine, identity("ada")) as db:
        db.add(Handout(text="y", lecture=Lecture(title="x", academy_id=SOUTH)))
        with pytest.raises(Forbidden):
            db.flush()


class Margin(Base):
    """It reaches its academy through two others."""

    __tablename__ = "campus_margin"
    id: Mapped[int] = mapped_column(primary_key=True)
    handout_id: Mapped[int] = mapped_column(ForeignKey(Handout.id))
    handout: Mapped[Handout] = relationship()


@tenant(
    "academy",
    {
        Academy: "id",
        Lecture: "academy_id",
        Handout: "lecture.academy_id",
        Margin: "handout.lecture.academy_id",
    },
)
def academies_with_margins(actor: Identity) -> Tenants:
    return academies_of(actor)


NEW_PARENTS: dict[str, Callable[[Session, int], Any]] = {  # a lecture has the number of its academy
    "a new lecture of an academy": lambda db, academy: Handout(
        text="x", lecture=Lecture(title="x", academy=db.get_one(Academy, academy))
    ),
    "a new handout of a lecture": lambda db, academy: Margin(
        handout=Handout(text="x", lecture=db.get_one(Lecture, academy))
    ),
    "a new handout with the key of a lecture": lambda _db, academy: Margin(
        handout=Handout(text="x", lecture_id=academy)
    ),
    "a new handout of a new lecture": lambda _db, academy: Margin(
        handout=Handout(text="x", lecture=Lecture(title="x", academy_id=academy))
    ),
}


@pytest.mark.parametrize("parent", NEW_PARENTS)
@pytest.mark.parametrize(("academy", "is_refused"), [(NORTH, False), (SOUTH, True)])
def test_a_row_is_of_the_tenant_to_which_its_new_parents_lead(
    engine: Engine, parent: str, academy: int, is_refused: bool
) -> None:
    Base.metadata.create_all(engine)
    rules = collect_rules([module_of(academies_with_margins=academies_with_margins)])
    with TrivetSession(
        bind=engine, capture=Capture(rules=rules), origin=Origin(identity("ada"))
    ) as db:
        with db.no_autoflush:
            db.add(NEW_PARENTS[parent](db, academy))
        with pytest.raises(Forbidden) if is_refused else nullcontext():
            db.flush()


def test_work_across_tenants_is_not_judged_and_ends(engine: Engine) -> None:
    with session_of(engine, identity("ada")) as db:
        with across_tenants(db):
            academy = Academy(name="East")
            db.add(academy)
            db.flush()
            db.add(Enrolment(person=1, academy_id=academy.id))
        db.add(Lecture(title="new", academy_id=academy.id))
        db.flush()
        db.add(Lecture(title="x", academy_id=SOUTH))
        with pytest.raises(Forbidden):
            db.flush()


@pytest.mark.anyio
async def test_a_resource_gives_a_new_row_the_tenant_of_its_writer(
    client: httpx2.AsyncClient,
) -> None:
    act_as(client, "bob")

    made = await client.post("/api/campus/lectures", json={"title": "new"})
    moved = await client.patch("/api/campus/lectures/2", json={"academy_id": NORTH})
    other = await client.post("/api/campus/lectures", json={"title": "x", "academy_id": NORTH})

    assert (made.status_code, made.json()["academy_id"]) == (201, SOUTH)
    assert (moved.status_code, other.status_code) == (409, 409)  # for him there is no academy 1
    act_as(client, "eve")
    unsaid = await client.post("/api/campus/lectures", json={"title": "new"})
    moved = await client.patch("/api/campus/lectures/2", json={"academy_id": NORTH})
    assert (unsaid.status_code, unsaid.json()["errors"][0]["pointer"]) == (422, "/academy_id")
    assert (moved.status_code, moved.json()["code"]) == (403, "tenant-fixed")


def test_a_membership_that_ends_ends_what_is_seen(engine: Engine) -> None:
    actor = identity("ada")
    assert actor is not None
    with session_of(engine, actor) as db:
        query = select(func.count()).select_from(select_visible(db, actor, Lecture).subquery())
        assert db.scalar(query) == 3
        with across_tenants(db):
            db.delete(db.scalars(select(Enrolment).where(Enrolment.person == 1)).one())
        assert db.scalar(query) == 0
