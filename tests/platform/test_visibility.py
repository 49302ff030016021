"""Rules of visibility: the rows and attributes that somebody sees, and those that they may set."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import (
    Computed,
    Engine,
    ForeignKey,
    String,
    create_engine,
    exists,
    func,
    select,
    true,
    update,
)
from sqlalchemy.ext.associationproxy import AssociationProxy, association_proxy
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.orm import (
    DeclarativeBase,
    Mapped,
    Session,
    aliased,
    column_property,
    composite,
    mapped_column,
    relationship,
    synonym,
)

from tests.platform.shelf import Size
from tests.platform.watched_rules import BOSS, module_of
from trivet import Forbidden, Identity
from trivet.data.capture import Capture
from trivet.data.explicit_nulls import keep_nulls
from trivet.data.session import TrivetSession, UncapturedError
from trivet.errors import ConfigurationError
from trivet.identity import ANONYMOUS, system
from trivet.origin import Origin
from trivet.rules import Change, changeable, rule, select_visible, visible, visible_condition
from trivet.rules.conditions import key_of
from trivet.rules.registry import RuleRegistry, collect_rules

CLERK = Identity(user_id=7, username="clerk", kind="session")


class Base(DeclarativeBase):
    """A base of these tests alone."""


class Room(Base):
    """Its key has two columns."""

    __tablename__ = "visible_room"
    house: Mapped[str] = mapped_column(String(9), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    keeper_id: Mapped[int | None]


class Person(Base):
    """The base of a joined and of a single-table subclass."""

    __tablename__ = "visible_person"
    __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "person"}  # noqa: RUF012  # SQLAlchemy's
    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(String(9))
    name: Mapped[str] = mapped_column(String(9))
    rank: Mapped[int] = mapped_column(default=1)
    nick: Mapped[str] = synonym("name")
    width: Mapped[int] = mapped_column(default=1)
    height: Mapped[int] = mapped_column(server_default="1")
    size: Mapped[Size] = composite("width", "height")
    boss_id: Mapped[int | None] = mapped_column(ForeignKey("visible_person.id"))
    boss: Mapped["Person | None"] = relationship(remote_side="Person.id", back_populates="staff")
    staff: Mapped[list["Person"]] = relationship(back_populates="boss")

    @property
    def badge(self) -> str:
        return f"{self.name}/{self.rank}"


class Guard(Person):
    __tablename__ = "visible_guard"
    __mapper_args__ = {"polymorphic_identity": "guard"}  # noqa: RUF012  # as above
    id: Mapped[int] = mapped_column(ForeignKey(Person.id), primary_key=True)
    post: Mapped[str] = mapped_column(String(9))


class Guest(Person):
    __mapper_args__ = {"polymorphic_identity": "guest"}  # noqa: RUF012  # as above
    host: Mapped[str | None] = mapped_column(String(9))


class Label(Base):
    """Some of it is worked out by the database, of its other columns."""

    __tablename__ = "visible_label"
    id: Mapped[int] = mapped_column(primary_key=True)
    first: Mapped[str] = mapped_column("forename", String(9))
    last: Mapped[str] = mapped_column(String(9))
    whole: Mapped[str] = column_property(first + last)
    pay: Mapped[int] = mapped_column()
    bonus: Mapped[int] = mapped_column(Computed("pay / 10"))
    shown_bonus: Mapped[str] = column_property(func.abs(bonus))
    letters: Mapped[int] = column_property(func.length(last) + pay * 0)
    numbered: Mapped[int] = column_property(id + 1)  # noqa: A003  # the column above

    @hybrid_property
    def initials(self) -> str:
        """SQL says what it reads."""
        return self.first + self.last

    @hybrid_property
    def shouted(self) -> str:
        """Only its code does."""
        return f"{self.first}!".strip()


class Sticker(Base):
    """Some of it is read from labels."""

    __tablename__ = "visible_sticker"
    id: Mapped[int] = mapped_column(primary_key=True)
    label_id: Mapped[int] = mapped_column(ForeignKey(Label.id))
    label: Mapped[Label] = relationship()
    name: Mapped[str] = column_property(
        select(Label.first).where(Label.id == label_id).scalar_subquery()
    )
    is_rich: Mapped[bool] = column_property(
        exists().where(Label.pay > 9, Label.id == label_id).correlate_except(Label)
    )
    last: AssociationProxy[str] = association_proxy("label", "last")


class Cadet(Base):
    __tablename__ = "visible_cadet"
    id: Mapped[int] = mapped_column(primary_key=True)
    strikes: Mapped[int | None] = mapped_column(default=3)
    stripes: Mapped[int | None] = mapped_column(server_default="4")


class Paper(Base):
    __tablename__ = "visible_paper"
    id: Mapped[int] = mapped_column(primary_key=True)
    reader: Mapped[int]


class Deed(Paper):
    """Concrete: its table has everything, under other names."""

    __tablename__ = "visible_deed"
    __mapper_args__ = {"concrete": True}  # noqa: RUF012  # as above
    id: Mapped[int] = mapped_column(primary_key=True)
    reader: Mapped[int] = mapped_column("read_by")


def registry_of(*functions: Callable[..., Any]) -> RuleRegistry:
    return collect_rules([module_of(**{f"rule_{n}": each for n, each in enumerate(functions)})])


@pytest.fixture
def engine(empty_database_url: str) -> Iterator[Engine]:
    engine = create_engine(empty_database_url.replace("postgresql:", "postgresql+psycopg:"))
    Base.metadata.create_all(engine)
    with Session(engine) as db:
        db.add_all(
            [
                Room(house="a", number=1, keeper_id=7),
                Room(house="a", number=2, keeper_id=8),
                Room(house="b", number=1, keeper_id=None),
                Person(id=1, name="ann"),
                Person(id=2, name="bob", boss_id=1),
                Guard(id=3, name="gus", post="gate"),
                Guard(id=4, name="gil", post="roof"),
                Guest(id=5, name="eve", host="ann"),
                Guest(id=6, name="ed", host="bob"),
                Paper(id=1, reader=7),
                Paper(id=2, reader=8),
                Deed(id=1, reader=8),
                Deed(id=2, reader=7),
            ]
        )
        db.commit()
    yield engine
    engine.dispose()


def session_with(engine: Engine, rules: RuleRegistry, actor: Identity | None = CLERK) -> Any:
    return TrivetSession(bind=engine, capture=Capture(rules=rules), origin=Origin(actor))


def seen(engine: Engine, rules: RuleRegistry, entity: Any, actor: Identity = CLERK) -> list[Any]:
    """The keys that `actor` sees, by both helpers, which agree."""
    keys = key_of(entity)
    with session_with(engine, rules) as db:
        found = db.execute(select_visible(db, actor, entity).order_by(*keys)).scalars().all()
        plain = select(entity).where(visible_condition(db, actor, entity)).order_by(*keys)
        assert found == db.execute(plain).scalars().all()
        return [(each.house, each.number) if hasattr(each, "house") else each.id for each in found]


@visible(Room)
def own_rooms(actor: Identity) -> Any:
    return actor.allows("inn.view_every_room") or Room.keeper_id == actor.user_id


class TestRows:
    def test_a_condition_decides_by_actor(self, engine: Engine) -> None:
        rules = registry_of(own_rooms)
        porter = replace(CLERK, permissions=frozenset({"inn.view_every_room"}))
        assert seen(engine, rules, Room) == [("a", 1)]
        assert seen(engine, rules, Room, porter) == [("a", 1), ("a", 2), ("b", 1)]
        assert len(seen(engine, rules, Room, system("import"))) == 3

    def test_who_has_no_id_owns_nothing(self, engine: Engine) -> None:
        @visible(Room)
        def own(actor: Identity) -> Any:
            return (Room.keeper_id == actor.user_id) | (Room.number == 2)

        @visible(Room)
        def of_nobody(actor: Identity) -> Any:
            mine = Room.keeper_id == actor.user_id
            return mine if actor.is_authenticated else Room.keeper_id.is_(None)

        assert seen(engine, registry_of(own_rooms), Room, ANONYMOUS) == []
        assert seen(engine, registry_of(own), Room, ANONYMOUS) == [("a", 2)]
        assert seen(engine, registry_of(of_nobody), Room, ANONYMOUS) == [("b", 1)]
        assert seen(engine, registry_of(of_nobody), Room) == [("a", 1)]

    def test_of_several_rules_all_agree(self, engine: Engine) -> None:
        @visible(Room)
        def first_house(_actor: Identity) -> Any:
            return Room.house == "a"

        @visible(Room)
        def first_floor(_actor: Identity) -> Any:
            return Room.number == 1

        assert seen(engine, registry_of(first_house), Room) == [("a", 1), ("a", 2)]
        assert seen(engine, registry_of(first_house, first_floor), Room) == [("a", 1)]

    def test_false_is_nothing_and_no_rule_is_everything(self, engine: Engine) -> None:
        @visible(Room)
        def nobody(_actor: Identity) -> bool:
            return False

        assert seen(engine, registry_of(nobody, own_rooms), Room) == []
        assert len(seen(engine, registry_of(nobody), Person)) == 6
        assert registry_of(nobody).visible_condition(Person, CLERK) is None

    def test_a_subclass_inherits_whatever_its_table(self, engine: Engine) -> None:
        @visible(Person)
        def short_names(_actor: Identity) -> Any:
            return Person.name.like("g%") | (Person.name == "ed")

        rules = registry_of(short_names)
        assert seen(engine, rules, Person) == [3, 4, 6]
        assert seen(engine, rules, Guard) == [3, 4]
        assert seen(engine, rules, Guest) == [6]

    def test_a_concrete_subclass_inherits_over_its_own_columns(self, engine: Engine) -> None:
        @visible(Paper)
        def own(actor: Identity) -> Any:
            return Paper.reader == actor.user_id

        assert seen(engine, registry_of(own), Paper) == [1]
        assert seen(engine, registry_of(own), Deed) == [2]

    def test_a_rule_of_a_subclass_holds_where_its_base_is_listed(self, engine: Engine) -> None:
        @visible(Guard)
        def at_the_gate(_actor: Identity) -> Any:
            return Guard.post == "gate"

        @visible(Guest)
        def none(_actor: Identity) -> bool:
            return False

        rules = registry_of(at_the_gate, none)
        assert seen(engine, rules, Person) == [1, 2, 3]
        assert seen(engine, rules, Guard) == [3]
        assert seen(engine, rules, Guest) == []

    @pytest.mark.parametrize("with_query", [False, True])
    def test_an_alias_is_judged_as_what_it_stands_for(
        self, engine: Engine, with_query: bool
    ) -> None:
        @visible(Person)
        def has_boss(_actor: Identity) -> Any:
            boss = aliased(Person)
            plain = Person.boss_id == 1
            return exists().where(boss.id == Person.boss_id) if with_query else plain

        assert seen(engine, registry_of(has_boss), Person) == [2]
        assert seen(engine, registry_of(has_boss), aliased(Person)) == [2]

    def test_an_alias_of_a_joined_subclass_is_judged_by_both_tables(self, engine: Engine) -> None:
        @visible(Guard)
        def gus(_actor: Identity) -> Any:
            return (Guard.post == "gate") & (Guard.name == "gus") & (Guard.id > 0) & (Person.id > 0)

        assert seen(engine, registry_of(gus), aliased(Guard)) == [3]
        assert seen(engine, registry_of(gus), aliased(Guard, flat=True)) == [3]

    def test_two_aliases_in_one_query_do_not_mix(self, engine: Engine) -> None:
        @visible(Person)
        def worker(_actor: Identity) -> Any:
            return Person.id.in_(select(Person.id).where(Person.boss_id.is_not(None)))

        rules, upper = registry_of(worker), aliased(Person)
        with session_with(engine, rules) as db:
            pairs = select(Person.id, upper.id).where(
                Person.id != upper.id,
                visible_condition(db, CLERK, Person),
                ~visible_condition(db, CLERK, upper),
            )
            assert sorted(tuple(pair) for pair in db.execute(pairs)) == [
                (2, n) for n in (1, 3, 4, 5, 6)
            ]

    @pytest.mark.parametrize(
        ("returned", "sentence"),
        [
            (None, "returned nothing for rows of Room"),
            ("keeper_id = 7", "returned a str"),
            (1, "returned a int"),
            ({"keeper_id": 7}, "returned a dict"),
            (select(Room.keeper_id), "Room.id.in_(select("),
        ],
    )
    def test_what_is_no_condition_is_refused_by_name(self, returned: Any, sentence: str) -> None:
        @visible(Room)
        def odd(_actor: Identity) -> Any:
            return returned

        with pytest.raises(ConfigurationError, match="odd returned") as caught:
            registry_of(odd).visible_condition(Room, CLERK)
        assert sentence in caught.value.detail

    def test_a_column_of_booleans_is_a_condition(self) -> None:
        @visible(Room)
        def plain(_actor: Identity) -> Any:
            return true()

        assert registry_of(plain).visible_condition(Room, CLERK) is not None

    def test_an_error_in_a_rule_names_the_rule(self) -> None:
        @visible(Room)
        def broken(_actor: Identity) -> Any:
            raise KeyError("house")

        with pytest.raises(KeyError) as caught:
            registry_of(broken).visible_condition(Room, CLERK)
        assert any("broken" in note for note in caught.value.__notes__)

    def test_a_session_without_rules_is_refused(self) -> None:
        with pytest.raises(ConfigurationError, match="knows no rules"):
            select_visible(Session(), CLERK, Room)


class TestAttributes:
    @pytest.mark.parametrize(
        ("declared", "names"),
        [
            ("name", {"name", "nick"}),
            ("nick", {"name", "nick"}),
            ("boss", {"boss", "boss_id"}),
            ("boss_id", {"boss", "boss_id"}),
            ("width", {"width", "size"}),
            ("size", {"width", "height", "size"}),
            ("badge", {"badge"}),
        ],
    )
    def test_an_attribute_is_hidden_under_every_name(self, declared: str, names: set[str]) -> None:
        @visible(Person, declared)
        def of_the_boss(actor: Identity) -> bool:
            return actor.username == "boss"

        rules = registry_of(of_the_boss)
        assert rules.hidden_attributes(Person, CLERK) == names
        assert rules.hidden_attributes(Guard, CLERK) == names
        assert rules.hidden_attributes(Person, BOSS) == frozenset()
        assert rules.visible_condition(Person, CLERK) is None
        assert not rules.restricts(Person)

    @pytest.mark.parametrize(
        ("declared", "names"),
        [
            ("first", {"first", "whole", "initials", "shouted"}),
            ("last", {"last", "whole", "letters", "initials"}),
            ("whole", {"whole"}),
            ("pay", {"pay", "bonus", "shown_bonus", "letters"}),
            ("bonus", {"bonus", "shown_bonus"}),
            ("numbered", {"numbered"}),
        ],
    )
    def test_what_is_made_of_an_attribute_is_hidden_with_it(
        self, declared: str, names: set[str]
    ) -> None:
        @visible(Label, declared)
        def of_the_boss(actor: Identity) -> bool:
            return actor.username == "boss"

        assert registry_of(of_the_boss).hidden_attributes(Label, CLERK) == names

    @pytest.mark.parametrize(
        ("declared", "names"),
        [("first", {"name"}), ("last", {"last"}), ("pay", {"is_rich"}), ("bonus", set())],
    )
    def test_what_is_read_of_another_class_is_hidden_as_it_is_there(
        self, declared: str, names: set[str]
    ) -> None:
        @visible(Label, declared)
        def of_the_boss(actor: Identity) -> bool:
            return actor.username == "boss"

        rules = registry_of(of_the_boss)
        assert rules.hidden_attributes(Sticker, CLERK) == names
        assert rules.guarded_attributes(Sticker) == names
        assert rules.hidden_attributes(Sticker, BOSS) == frozenset()

    def test_what_is_fixed_is_so_under_every_name(self) -> None:
        @changeable(Person, "boss")
        def of_the_boss(actor: Identity) -> bool:
            return actor.username == "boss"

        rules = registry_of(of_the_boss)
        assert rules.fixed_attributes(Guest, CLERK) == {"boss", "boss_id"}
        assert rules.fixed_attributes(Guest, BOSS) == frozenset()

    @pytest.mark.parametrize("returned", [None, 1, Room.number == 1])
    def test_what_is_no_bool_is_refused_by_name(self, returned: Any) -> None:
        @visible(Person, "name")
        def odd(_actor: Identity) -> Any:
            return returned

        with pytest.raises(ConfigurationError, match=r"odd returned .* return True or False"):
            registry_of(odd).hidden_attributes(Person, CLERK)


@changeable(Person, "rank", "height", "boss", "name")
def by_the_boss(actor: Identity) -> bool:
    return actor.username == "boss"


def do(work: Callable[[Session], None], db: Session) -> None:
    work(db)
    db.flush()


def _promote(db: Session) -> None:
    db.get_one(Person, 2).rank = 2


def _rename(db: Session) -> None:
    db.get_one(Guard, 3).nick = "gas"


def _move(db: Session) -> None:
    db.get_one(Person, 2).boss = db.get_one(Person, 3)


def _take_in(db: Session) -> None:
    boss = db.get_one(Person, 1)
    boss.staff.append(db.get_one(Person, 4))


def _add(**values: Any) -> Callable[[Session], None]:
    return lambda db: db.add(Person(id=9, **values))


class TestWhoMaySet:
    @pytest.mark.parametrize(
        ("work", "named"),
        [
            (_promote, ["rank"]),
            (_rename, ["name"]),
            (_move, ["boss"]),
            (_take_in, ["boss"]),
            (_add(name="x"), ["name"]),
            (_add(name="x", rank=2), ["rank", "name"]),
            (_add(name="x", height=1), ["height", "name"]),
        ],
    )
    def test_nobody_else_sets_it_by_any_way(
        self, engine: Engine, work: Callable[[Session], None], named: list[str]
    ) -> None:
        rules = registry_of(by_the_boss)
        with session_with(engine, rules) as db, pytest.raises(Forbidden) as caught:
            do(work, db)
        assert [each["pointer"] for each in caught.value.data["errors"]] == [f"/{n}" for n in named]
        assert caught.value.subject is not None
        with session_with(engine, rules, BOSS) as db:
            do(work, db)

    @pytest.mark.parametrize("actor", [ANONYMOUS, None])
    def test_nobody_is_not_everybody(self, engine: Engine, actor: Identity | None) -> None:
        with session_with(engine, registry_of(by_the_boss), actor) as db, pytest.raises(Forbidden):
            do(_promote, db)

    @pytest.mark.parametrize("name", ["strikes", "stripes"])
    def test_null_in_place_of_a_default_is_another_value(self, engine: Engine, name: str) -> None:
        @changeable(Cadet, name)
        def of_the_boss(actor: Identity) -> bool:
            return actor.username == "boss"

        rules = registry_of(of_the_boss)
        with session_with(engine, rules) as db:
            db.add(Cadet(id=1, strikes=None, stripes=None))  # SQLAlchemy writes the defaults
            db.flush()
            assert db.execute(select(Cadet.strikes, Cadet.stripes)).one() == (3, 4)
            db.add(cadet := Cadet(id=2, strikes=None, stripes=None))
            keep_nulls(cadet, [name])
            with pytest.raises(Forbidden) as caught:
                db.flush()
        assert [each["pointer"] for each in caught.value.data["errors"]] == [f"/{name}"]

    def test_a_rule_judges_the_default_that_a_none_becomes(self, engine: Engine) -> None:
        seen: list[Any] = []

        @rule(Cadet, "strikes")
        def note(change: Change[Cadet]) -> None:
            seen.append(change.new["strikes"])

        with session_with(engine, registry_of(note)) as db:
            db.add_all([Cadet(id=1, strikes=None), cadet := Cadet(id=2, strikes=None)])
            keep_nulls(cadet, ["strikes"])
            db.flush()
            assert db.scalars(select(Cadet.strikes).order_by(Cadet.id)).all() == seen == [3, None]

    def test_the_rest_of_a_row_and_the_default_are_free(self, engine: Engine) -> None:
        @changeable(Person, "rank", "width")
        def nobody(_actor: Identity) -> bool:
            return False

        with session_with(engine, registry_of(nobody)) as db:
            db.add(Person(id=9, name="x", rank=1))
            db.get_one(Person, 2).name = "bert"
            db.get_one(Person, 2).rank = 1  # as it is
            db.delete(db.get_one(Guest, 5))
            db.commit()

    def test_a_bulk_statement_does_not_pass_it_by(self, engine: Engine) -> None:
        with (
            session_with(engine, registry_of(by_the_boss)) as db,
            pytest.raises(UncapturedError, match="has rules"),
        ):
            db.execute(update(Person).values(rank=5))


class TestTheStart:
    @pytest.mark.parametrize(
        ("declared", "sentence"),
        [
            (visible(Person, "nam"), "Person.nam, and there is none. Did you mean 'name'"),
            (visible(Person, "id"), "hides Person.id, the primary key"),
            (visible(Person, "staff"), "a collection of Person: declare a rule on Person"),
            (visible(object), "names object, which is no mapped class"),
            (changeable(Person), "names no attribute"),
            (changeable(Person, "staff"), "a collection of Person"),
        ],
    )
    def test_a_declaration_that_cannot_hold_is_refused(
        self, declared: Callable[..., Any], sentence: str
    ) -> None:
        def function(_actor: Identity) -> bool:
            return True

        with pytest.raises(ConfigurationError) as caught:
            collect_rules([module_of(rule=declared(function))])
        assert sentence in caught.value.detail

    def test_a_function_of_other_arguments_is_refused(self) -> None:
        def two(_actor: Identity, _row: Any) -> bool:
            return True

        async def waits(_actor: Identity) -> bool:
            return True

        bad: Any = (two, waits)
        with pytest.raises(ConfigurationError) as caught:
            collect_rules(
                [module_of(a=visible(Room)(bad[0]), b=changeable(Room, "number")(bad[1]))]
            )
        assert "two must take one argument, the actor" in caught.value.detail
        assert "waits is no plain function" in caught.value.detail

    def test_rules_of_visibility_alone_are_rules(self) -> None:
        rules = registry_of(own_rooms)
        assert rules
        assert rules.restricts(Room)
        assert not rules.judges
