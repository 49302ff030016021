"""Row rules of every shape, asked about the rows of publications; and declarations that cannot be.

A condition shows a new row exactly if the table does. So each of them is asked both ways.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import closing
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import (
    Column,
    Engine,
    MetaData,
    String,
    Table,
    create_engine,
    exists,
    false,
    func,
    literal,
    or_,
    select,
)
from sqlalchemy import text as sql
from sqlalchemy.orm import (
    DeclarativeBase,
    Mapped,
    Session,
    aliased,
    mapped_column,
    relationship,
)
from sqlalchemy.schema import ForeignKey

from trivet import Model
from trivet.data.capture import Capture
from trivet.data.live import collect_live, live_feed
from trivet.data.session import TrivetSession
from trivet.delivery.sights import Sight, read_sights
from trivet.errors import ConfigurationError, Forbidden
from trivet.events.feeds import LIVE_MARK, FeedRegistry
from trivet.events.live_classes import LiveFeed, live
from trivet.events.outbox import Channel, PublicationRow
from trivet.features import Feature, load_features
from trivet.identity import Identity
from trivet.identity.policy import public
from trivet.rules.registry import RuleRegistry
from trivet.rules.visibility import Visible
from trivet_realtime.channels import ChannelRules
from trivet_realtime.declared import declare
from trivet_realtime.live_channels import channels_of, sameness, with_live_channels


class Base(DeclarativeBase):
    """With a metadata of its own: relationships are found in it alone."""

    metadata = MetaData()


class Household(Base):
    __tablename__ = "live_household"

    id: Mapped[int] = mapped_column(primary_key=True)
    town: Mapped[str]
    people: Mapped[list["Inmate"]] = relationship(back_populates="household")


_visit = Table(
    "live_visit",
    Base.metadata,
    Column("inmate_id", ForeignKey("live_inmate.id"), primary_key=True),
    Column("household_id", ForeignKey("live_household.id"), primary_key=True),
    Column("note", String(20), server_default="short"),
)


class Being(Base):
    __tablename__ = "live_being"
    __mapper_args__ = {"polymorphic_on": "sort", "polymorphic_identity": "being"}  # noqa: RUF012  # SQLAlchemy's

    id: Mapped[int] = mapped_column(primary_key=True)
    sort: Mapped[str]
    name: Mapped[str]
    secret: Mapped[str | None] = mapped_column(info={"secret": True})
    parent_id: Mapped[int | None] = mapped_column(ForeignKey("live_being.id"))
    parent: Mapped["Being | None"] = relationship(remote_side="Being.id")


class Inmate(Being):
    __tablename__ = "live_inmate"
    __mapper_args__ = {"polymorphic_identity": "inmate"}  # noqa: RUF012  # SQLAlchemy's

    id: Mapped[int] = mapped_column(ForeignKey(Being.id), primary_key=True)
    age: Mapped[int]
    household_id: Mapped[int | None] = mapped_column(ForeignKey(Household.id))
    household: Mapped[Household | None] = relationship(back_populates="people")
    visited: Mapped[list[Household]] = relationship(secondary=_visit)


Other = aliased(Inmate)
Elder = aliased(Being)

CONDITIONS: dict[str, Callable[[], Any]] = {
    "none": false,
    "plain": lambda: Inmate.age > 20,
    "of the base": lambda: Inmate.name == "Ann",
    "both": lambda: or_(Inmate.name == "Ann", Inmate.age < 10),
    "text": lambda: func.lower(Inmate.name).startswith("a"),
    "null": lambda: Inmate.parent_id.is_(None),
    "exists": lambda: exists().where(Household.id == Inmate.household_id, Household.town == "Oslo"),
    "select exists": lambda: (
        select(literal(1))
        .where(Household.id == Inmate.household_id, Household.town == "Oslo")
        .exists()
    ),
    "correlated by hand": lambda: (
        select(literal(1))
        .select_from(Household)
        .where(Household.id == Inmate.household_id, Household.town == "Oslo")
        .correlate(Inmate)
        .exists()
    ),
    "correlated except": lambda: (
        select(literal(1))
        .where(Household.id == Inmate.household_id, Household.town == "Oslo")
        .correlate_except(Household)
        .exists()
    ),
    "has": lambda: Inmate.household.has(Household.town == "Oslo"),
    "has none": lambda: ~Inmate.household.has(),
    "has itself": lambda: Inmate.parent.has(Being.name == "Ann"),
    "in": lambda: Inmate.household_id.in_(select(Household.id).where(Household.town == "Oslo")),
    "in two selects": lambda: Inmate.household_id.in_(
        select(Household.id)
        .where(Household.town == "Oslo")
        .union(select(Household.id).where(Household.id == 3))
    ),
    "scalar": lambda: (
        select(Household.town).where(Household.id == Inmate.household_id).scalar_subquery()
        == "Oslo"
    ),
    "nested": lambda: exists().where(
        Household.id == Inmate.household_id,
        exists().where(Elder.id == Inmate.parent_id, Elder.name == "Ann").correlate(Inmate),
    ),
    "alias": lambda: exists().where(Other.household_id == Inmate.household_id, Other.age > 40),
    "itself": lambda: Inmate.id.in_(select(Inmate.id).where(Inmate.age > 20)),
    "itself counted": lambda: Inmate.household_id.in_(
        select(Inmate.household_id).group_by(Inmate.household_id).having(func.count() > 1)
    ),
    "itself joined": lambda: Inmate.id.in_(
        select(Inmate.id).join(Household).where(Household.town == "Oslo")
    ),
    "itself apart": lambda: Inmate.id.in_(
        select(Inmate.id)
        .where(Inmate.household_id == Household.id, Household.town == "Oslo")
        .correlate(None)
    ),
    "derived": lambda: Inmate.id.in_(
        select(select(Inmate.id.label("key")).where(Inmate.age > 20).subquery().c.key)
    ),
    "links": lambda: Inmate.visited.any(Household.town == "Oslo"),
    "an end of links": lambda: exists().where(
        _visit.c.inmate_id == Inmate.id, _visit.c.household_id == 2
    ),
    "a note of links": lambda: exists().where(
        _visit.c.inmate_id == Inmate.id, _visit.c.note == "short"
    ),
    "a secret of another": lambda: exists().where(
        Elder.id == Inmate.parent_id, Elder.secret.is_(None)
    ),
    "cte": lambda: Inmate.id.in_(
        select(select(Inmate.id.label("key")).where(Inmate.age > 20).cte().c.key)
    ),
}


@pytest.fixture
def engine(empty_database_url: str) -> Iterator[Engine]:
    engine = create_engine(empty_database_url.replace("postgresql:", "postgresql+psycopg:"))
    Base.metadata.create_all(engine)
    outbox: list[Any] = [Channel, PublicationRow]
    Model.metadata.create_all(engine, tables=[model.__table__ for model in outbox])
    yield engine
    engine.dispose()


def rules_of(*models: type[Any]) -> RuleRegistry:
    rules = RuleRegistry()
    for model in models:
        rules.add(Visible(lambda _actor: False, model))
    return rules


def feed_of(model: type[Any]) -> LiveFeed:
    return live_feed("zoo", live(model, policy=public), rules_of(model))


UNKNOWN = ("cte", "a note of links", "a secret of another")
"""Those that cannot be asked about rows that went together: names of a condition's own may be those
of tables, and what is not kept cannot be read."""
PEOPLE = [("Ann", 50, 1), ("Bo", 30, 1), ("Cy", 5, 2), ("ada", 9, 3), ("Eve", 21, None)]


def captured(feed: LiveFeed) -> Capture:
    feeds = FeedRegistry()
    feeds.add(feed.model, feed)
    return Capture(feeds, live=[feed])


def populate(db: Session) -> None:
    db.add_all([Household(id=1, town="Oslo"), Household(id=2, town="Bergen")])
    db.add(Household(id=3, town="Moss"))
    db.flush()
    homes = list(db.scalars(select(Household).order_by(Household.id)))
    for number, (name, age, home) in enumerate(PEOPLE, 1):
        parent = 1 if 1 < number < 4 else None
        row = Inmate(id=number, name=name, age=age, household_id=home, parent_id=parent)
        row.visited = homes[: number - 1]
        db.add(row)
        db.flush()
    db.commit()


def shown(db: Session, condition: Any) -> list[int]:
    return list(db.scalars(select(Inmate.id).where(condition).order_by(Inmate.id)))


def test_a_condition_shows_of_new_rows_those_that_the_table_shows(engine: Engine) -> None:
    feed = feed_of(Inmate)
    with closing(TrivetSession(bind=engine, capture=captured(feed))) as db:
        populate(db)
    with Session(engine) as db:
        asked = {name: make() for name, make in CONDITIONS.items()}
        found = read_sights(db, feed, list(asked.values()), first=1, last=len(PEOPLE))
        alone = [
            read_sights(db, feed, list(asked.values()), first=offset, last=offset)
            for offset in range(1, len(PEOPLE) + 1)
        ]
        for number, (name, condition) in enumerate(asked.items()):
            sights = found[number]
            # What else is published in the moment has no part in it.
            assert sights == {
                offset: sight for each in alone for offset, sight in each[number].items()
            }, name
            seen = [offset for offset in sorted(sights) if sights[offset].after]
            assert seen == shown(db, condition), name
        # Sixty times the same: more than one statement asks.
        many = read_sights(db, feed, [Inmate.age > 20] * 60, first=2, last=3)
        assert many == [{2: Sight(after=True), 3: Sight()}] * 60


def test_a_condition_shows_of_rows_that_went_together_those_that_the_tables_showed(
    engine: Engine,
) -> None:
    feed = feed_of(Inmate)
    asked = {name: make() for name, make in CONDITIONS.items()}
    with closing(TrivetSession(bind=engine, capture=captured(feed))) as db:
        populate(db)
        there = {name: shown(db, condition) for name, condition in asked.items()}
        for row in (*db.scalars(select(Inmate)), *db.scalars(select(Household))):
            db.delete(row)
        db.commit()
    first, last = len(PEOPLE) + 1, 2 * len(PEOPLE)
    with Session(engine) as db:
        assert not shown(db, Inmate.id.is_not(None))
        found = read_sights(db, feed, list(asked.values()), first=first, last=last)
        told = db.execute(select(PublicationRow.offset, PublicationRow.data))
        keys = {offset: int(json.loads(data)["key"]) for offset, data in told}
    for name, sights in zip(asked, found, strict=True):
        assert sights.keys() == {*range(first, last + 1)}
        if name in UNKNOWN:
            assert {*sights.values()} == {Sight(is_known=False)}
            continue
        seen = sorted(keys[offset] for offset, sight in sights.items() if sight.before)
        assert seen == there[name], name


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: sql("age > 20"), "has a text of SQL"),
        (lambda: exists().where(Household.id == Inmate.household_id, sql("1 = 1")), "a text of"),
        (
            lambda: exists().where(
                Household.id == Inmate.household_id, exists().where(Elder.id == Inmate.parent_id)
            ),
            "not clear of which row a subquery speaks",
        ),
        (lambda: Inmate.secret == "1", "reads live_being.secret, which is a secret"),
    ],
)
def test_a_condition_that_cannot_be_asked_says_why(
    engine: Engine, make: Callable[[], Any], words: str
) -> None:
    with Session(engine) as db, pytest.raises(ConfigurationError, match=words):
        read_sights(db, feed_of(Inmate), [make()], first=1, last=1)


def declared(*calls: Callable[[], Any]) -> list[tuple[Feature, ModuleType]]:
    found = [call() for call in calls]
    return [(Feature("zoo", "zoo"), SimpleNamespace(**{LIVE_MARK: found}))]  # type: ignore[list-item]  # a module


@pytest.mark.parametrize(
    ("calls", "words"),
    [
        ([lambda: live(Session)], r"live\(Session\) names no mapped class"),
        ([lambda: live("polls.Question")], r"@feed\('app.Model'\)"),  # type: ignore[arg-type]  # on purpose
        ([lambda: live(Inmate, exclude=["nmae"])], r"names 'nmae', and Inmate has no such"),
        ([lambda: live(Inmate, channel="a:b")], r"in small letters, digits and hyphens"),
        ([lambda: live(Inmate), lambda: live(Inmate)], r"channel='…'"),
        ([lambda: live(Being)], r"its subclass Inmate has row rules of its own"),
    ],
)
def test_a_declaration_that_cannot_be_is_refused_at_the_start(
    calls: list[Callable[[], Any]], words: str
) -> None:
    with pytest.raises(ConfigurationError, match=words):
        collect_live(declared(*calls), rules_of(Inmate))


def test_a_declaration_is_found_in_its_module_and_named_by_its_class() -> None:
    (feed,) = collect_live(declared(lambda: live(Inmate)), rules_of(Inmate))
    assert (feed.channel, feed.policy.words) == ("zoo:inmates", "zoo.view_inmate")
    with pytest.raises(TypeError, match="a policy is one of trivet's"):
        live(Inmate, policy="public")  # type: ignore[arg-type]  # on purpose
    assert globals()[LIVE_MARK]


def test_conditions_of_the_same_meaning_are_one() -> None:
    makes: list[Callable[[], Any]] = [
        lambda: Inmate.age > 20,
        lambda: Inmate.age > 21,
        lambda: Inmate.age == 1,
        lambda: Inmate.age == literal(True),
        lambda: Inmate.age.in_([1, 2]),
        lambda: Inmate.age.in_([1, 3]),
        lambda: Inmate.household.has(Household.town == "Oslo"),
    ]
    assert [sameness(make()) for make in makes] == [sameness(make()) for make in makes]
    assert len({sameness(make()) for make in makes}) == len(makes)


def test_the_channel_of_a_live_class_needs_no_rule_and_none_takes_its_place() -> None:
    (feed,) = collect_live(declared(lambda: live(Inmate)), rules_of(Inmate))
    assert with_live_channels(ChannelRules({}), [feed]).find_access("zoo:inmates").rule is not None
    open_to_all = declare("zoo", "zoo:{anything}", lambda anything: anything != "shut", public)
    rules = with_live_channels(ChannelRules({"zoo": [open_to_all]}), [feed])
    visitor = Identity(user_id=1, username="eve", kind="session")
    with pytest.raises(Forbidden, match=r"zoo\.view_inmate"):
        rules.find_access("zoo:inmates").require(visitor)
    rules.find_access("zoo:others").require(visitor)


def test_commands_know_the_channels_of_live_classes() -> None:
    rules = channels_of(load_features(["tests.realtime.freight"]))
    assert rules.namespaces["freight"][0].pattern.startswith("freight:")
    assert {each.pattern for each in rules.namespaces["freight"]} == {
        "freight:consignments",
        "freight:marks",
        "freight:parcels",
        "freight:{anything}",
    }
