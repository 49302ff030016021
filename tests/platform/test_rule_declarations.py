"""What is no rule of change is refused at the start, and told all at once."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.platform.shelf import Thing
from tests.platform.watched_rules import module_of
from trivet import Model
from trivet.errors import ConfigurationError
from trivet.rules import rule
from trivet.rules.registry import collect_rules


async def waiting(_change: Any) -> None: ...


def takes_none() -> None: ...


class Unmapped: ...


def make_plain() -> Callable[[Any], None]:
    def plain(_change: Any) -> None: ...

    return plain


class Servant:
    def __call__(self, _change: Any) -> None: ...


def as_any(value: Any) -> Any:
    """What the type checker would refuse as well."""
    return value


@pytest.mark.parametrize(
    ("declared", "sentence"),
    [
        (lambda: rule(Unmapped)(make_plain()), "names Unmapped, which is no mapped class"),
        (lambda: rule(Model)(make_plain()), "names Model, which is no mapped class"),
        (
            lambda: rule(Thing, "titel")(make_plain()),
            "Thing.titel, and there is none. Did you mean",
        ),
        (lambda: rule(Thing, "zzz")(make_plain()), "It has area, "),
        (
            lambda: rule(Thing, on=as_any("upsert"))(make_plain()),
            "there are insert, update, delete",
        ),
        (lambda: rule(Thing)(as_any(waiting)), "waiting is no plain function"),
        (lambda: rule(Thing)(as_any(takes_none)), "takes_none must take one argument"),
        (lambda: rule(Thing)(Servant()), "is no plain function"),
        (lambda: rule(Thing)(as_any(5)), "5 is no plain function"),
        (make_plain, "feature.rules declares no rule"),
    ],
)
def test_what_is_no_rule_is_refused_at_the_start(
    declared: Callable[[], Any], sentence: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        collect_rules([module_of(rule=declared())])
    assert sentence in caught.value.detail


def test_all_faults_are_told_at_once() -> None:
    module = module_of(a=rule(Thing, "nme")(lambda c: None), b=rule(Unmapped)(lambda c: None))
    with pytest.raises(ConfigurationError) as caught:
        collect_rules([module])
    assert "Thing.nme" in caught.value.detail
    assert "Unmapped" in caught.value.detail
