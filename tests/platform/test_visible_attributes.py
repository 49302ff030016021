"""Rules of visibility about attributes: which of them somebody sees, under every name."""

from typing import Any

import pytest

from tests.platform.visible_classes import (
    CLERK,
    Guard,
    Guest,
    Label,
    Person,
    Room,
    Sticker,
    registry_of,
)
from tests.platform.watched_rules import BOSS
from trivet import Identity
from trivet.errors import ConfigurationError
from trivet.rules import changeable, visible


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
