"""Rules of visibility: the rows that somebody sees, and declarations that cannot hold."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import Engine, exists, select, true
from sqlalchemy.orm import Session, aliased

from tests.platform.visible_classes import (
    CLERK,
    Deed,
    Guard,
    Guest,
    Leaf,
    Paper,
    Person,
    Room,
    Slip,
    filled,
    registry_of,
    seen,
    session_with,
)
from tests.platform.watched_rules import module_of
from trivet import Identity
from trivet.errors import ConfigurationError
from trivet.identity import ANONYMOUS, system
from trivet.rules import changeable, select_visible, visible, visible_condition
from trivet.rules.registry import collect_rules


@pytest.fixture
def engine(empty_database_url: str) -> Iterator[Engine]:
    with filled(empty_database_url) as engine:
        yield engine


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

    def test_a_subclass_that_sqlalchemy_does_not_know_as_one_inherits_too(
        self, engine: Engine
    ) -> None:
        @visible(Leaf)
        def own(actor: Identity) -> Any:
            return Leaf.reader == actor.user_id  # type: ignore[attr-defined]  # mapped

        @visible(Slip)
        def none(_actor: Identity) -> bool:
            return False

        assert seen(engine, registry_of(own), Leaf) == [1]
        assert seen(engine, registry_of(own), Slip) == [1]
        assert seen(engine, registry_of(none), Leaf) == [1, 2]
        assert seen(engine, registry_of(none), Slip) == []

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
