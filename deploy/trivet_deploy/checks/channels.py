"""Channels that feeds publish to, held against the rules that open them.

What is published to a channel without a rule is stored, and nobody may ever read it.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import ModuleType

from trivet.features import Feature, modules_of
from trivet.source_files import file_of
from trivet_deploy.checks.sources import PLACEHOLDER, calls_in
from trivet_realtime.channels import Rule
from trivet_realtime.live_channels import channels_of

_ANY = "x"
"""A value that every placeholder of a rule takes."""


def find_closed(features: Sequence[Feature]) -> Iterator[str]:
    """A sentence for each publication of `features` whose channel no rule opens.

    Only a channel of whose name enough is written out is judged.
    """
    modules = {feature.name: module for feature, module in modules_of(features, "realtime")}
    rules = [rule for each in channels_of(features).namespaces.values() for rule in each]
    for feature in features:
        for call in calls_in(feature, {"Publication"}):
            beginning = call.text.partition(PLACEHOLDER)[0]
            if ":" in beginning and not _is_open(call.text, beginning, rules):
                why = _why(call.text.partition(":")[0], modules)
                yield f"{call.where} publishes to {_readable(call.text)}, and {why}"


def _is_open(name: str, beginning: str, rules: Iterable[Rule]) -> bool:
    sample = name.replace(PLACEHOLDER, _ANY)
    if PLACEHOLDER not in name:
        return any(rule.expression.fullmatch(sample) for rule in rules)
    return any(
        rule.expression.fullmatch(sample) or _may_match(beginning, rule.pattern) for rule in rules
    )


def _may_match(beginning: str, pattern: str) -> bool:
    """Whether a name with this beginning could be one of `pattern`: what is put in may hold
    parts of a name of its own."""
    literal = pattern.partition("{")[0]
    return literal.startswith(beginning) or beginning.startswith(literal)


def _why(namespace: str, modules: Mapping[str, ModuleType]) -> str:
    if namespace not in modules:
        return f"there is no realtime.py of a feature {namespace}: nobody may subscribe"
    path = file_of(modules[namespace].__name__)
    return f"no rule in {path} opens it: nobody may subscribe"


def _readable(name: str) -> str:
    return repr(name.replace(PLACEHOLDER, "{…}"))
