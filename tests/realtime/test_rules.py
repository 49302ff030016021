"""A `realtime.py` that cannot be right is refused at the start, in words that say what to do."""

from types import SimpleNamespace
from typing import Any

import pytest

from trivet.errors import ConfigurationError
from trivet_realtime import Identity, Namespace, Session, Unit, channel, rpc
from trivet_realtime.channels import collect_rules
from trivet_realtime.client_calls import collect_calls
from trivet_realtime.codes import CommandError
from trivet_realtime.mount import list_routes


def allow() -> bool:
    return True


def by_gate(gate: str) -> bool:
    return gate == "7"


async def by_session(db: Session) -> bool:
    return bool(db)


def by_unit(unit: Unit) -> bool:
    return unit.read_only


def module(*functions: Any) -> dict[str, Any]:
    named = {f"rule_{number}": function for number, function in enumerate(functions)}
    return {"beacons": SimpleNamespace(__name__="beacons.realtime", **named)}


@pytest.mark.parametrize(
    ("functions", "must_contain"),
    [
        ([], "declares no channel"),
        ([channel("boats:{name}")(allow)], 'begin it with "beacons:"'),
        ([channel("beacons")(allow)], 'begin it with "beacons:"'),
        ([channel("beacons:a b")(allow)], 'begin it with "beacons:"'),
        ([channel("beacons:{harbour}")(by_gate)], "asks for gate"),
        ([channel("beacons:a")(by_session)], "take `unit: Unit` and await"),
        ([channel("beacons:a")(by_unit)], "write it with 'async def'"),
    ],
)
def test_a_mistake_in_a_rule_is_found_at_the_start(functions: list[Any], must_contain: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        collect_rules(module(*functions))
    assert must_contain in refused.value.detail


def test_a_feature_may_take_calls_without_a_channel() -> None:
    @rpc("beacons:count")
    def count() -> int:
        return 1

    modules = module(count)
    assert collect_calls(modules).methods.keys() == {"beacons:count"}
    rules = collect_rules(modules)
    with pytest.raises(CommandError) as unknown:
        rules.find_access("beacons:a")
    assert unknown.value.code.code == 102
    named = SimpleNamespace(**vars(modules["beacons"]), options=Namespace(user_limited=True))
    assert collect_rules({"beacons": named}).find_access("beacons:a#7").rule is None


def test_one_function_may_decide_for_several_patterns() -> None:
    def either() -> bool:
        return True

    rules = collect_rules(module(channel("beacons:a")(channel("beacons:b:{n}")(either))))
    assert rules.find_access("beacons:a").values == {}
    assert rules.find_access("beacons:b:7").values == {"n": "7"}


def test_the_first_rule_in_the_file_that_covers_a_channel_decides() -> None:
    def refuse() -> bool:
        return False

    def grant() -> bool:
        return True

    rules = collect_rules(module(channel("beacons:a")(refuse), channel("beacons:{n}")(grant)))
    nobody = Identity(user_id=None, username="", kind="anonymous")
    rules.find_access("beacons:b").require(nobody)
    with pytest.raises(CommandError):
        rules.find_access("beacons:a").require(nobody)


@pytest.mark.parametrize("name", ["beacons:a.b", "beacons:aXb", "beacons:[a.b]", "beacons:a.bc"])
def test_what_looks_like_an_expression_in_a_pattern_is_none(name: str) -> None:
    def grant() -> bool:
        return True

    rules = collect_rules(module(channel("beacons:a.b")(grant)))
    covered = name == "beacons:a.b"
    if covered:
        assert rules.find_access(name).channel == name
    else:
        with pytest.raises(CommandError):
            rules.find_access(name)


def test_the_routes_name_every_pattern() -> None:
    def board() -> bool:
        return True

    routes = list_routes(collect_rules(module(channel("beacons:{harbour}")(board))))
    listed = [(route.methods, route.path) for route in routes]
    assert listed[0] == ("WEBSOCKET", "/ws")
    assert [each for each in listed if ":" in each[1]] == [("SUBSCRIBE", "beacons:{harbour}")]
