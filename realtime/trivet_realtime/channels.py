"""Channels: their names, and the rules that say who may subscribe.

A feature's ``realtime.py`` declares the rules::

    @channel("departures:{airport}")
    def board(identity: Identity, airport: str) -> bool:
        return True

The pattern's namespace is the feature's name. A rule takes, by name, what it needs: the
`identity`, the placeholders, and `db`, a session to read with. It returns True, or the
channel is refused; it may also raise a TrivetError to say more. A channel that no rule
covers is refused. Among several rules that cover a channel the first in the file decides.

A rule that calls services is a coroutine function and takes the message's unit of work, which
reads one snapshot and refuses writes::

    @channel("departures:gate:{gate}")
    async def gate(unit: Unit, gate: str) -> bool:
        return await unit.run(services.may_watch, gate)

Where it is only a matter of who one is, a policy says it, the same that routes and pages take; it
is asked before the function::

    @channel("departures:{airport}", policy=requires("departures.view_flight"))
"""

import inspect
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session

from trivet.data.unit_of_work import UnitOfWork
from trivet.errors import ConfigurationError
from trivet.identity import Identity
from trivet.identity.policy import Policy, public
from trivet_realtime.codes import BAD_REQUEST, PERMISSION_DENIED, UNKNOWN_CHANNEL, CommandError

NAME = re.compile(r"[\x21-\x7e]{1,255}")
"""1 to 255 printable ASCII characters without spaces."""
PLACEHOLDER = re.compile(r"\{([a-z_][a-z0-9_]*)\}")
PLACEHOLDER_VALUE = r"[^:#$&{}]+"
"""The characters that a placeholder stands for. The colon parts a name; the others are left to the
protocol's own meanings (user boundary, private, client), so no rule grants those by accident."""

Unit = UnitOfWork[AsyncSession]
"""The annotation by which a coroutine rule takes the unit of work of its message."""

Decide = Callable[..., bool | Awaitable[bool]]
F = TypeVar("F", bound=Decide)


def channel(pattern: str, *, policy: Policy = public) -> Callable[[F], F]:
    """Declare, in a feature's ``realtime.py``, who may subscribe to channels like `pattern`.

    The declaration is a mark on the function, which stays callable as it was; it is read
    and checked when the room is mounted.

    Args:
        pattern: The channel's name, with placeholders in braces.
        policy: Who may ask at all; the function decides among those.

    Raises:
        TypeError: If `policy` is none.
    """
    if not isinstance(policy, Policy):
        raise TypeError(f"a policy is one of trivet's, not {policy!r}")

    def mark(function: F) -> F:
        patterns = (*getattr(function, "__channels__", ()), (pattern, policy))
        function.__channels__ = patterns  # type: ignore[attr-defined]  # the mark itself
        return function

    return mark


@dataclass(frozen=True, slots=True)
class Rule:
    """One pattern, and the policy and the function that decide for it."""

    pattern: str
    expression: re.Pattern[str]
    function: Callable[..., Any]
    takes: frozenset[str]
    policy: Policy = public

    @property
    def is_coroutine(self) -> bool:
        return inspect.iscoroutinefunction(self.function)

    @property
    def needs_unit(self) -> bool:
        return self.is_coroutine or "db" in self.takes


@dataclass(frozen=True, slots=True)
class Access:
    """A channel that a rule covers, on its way to being allowed."""

    channel: str
    rule: Rule
    values: Mapping[str, str]

    @property
    def needs_unit(self) -> bool:
        """Whether only `require_in` can ask the rule."""
        return self.rule.needs_unit

    def require(self, identity: Identity, db: Session | None = None) -> None:
        """Ask a plain rule.

        Raises unless it says True: CommandError, or what its policy or the rule itself raises.
        """
        self.rule.policy.check(identity)
        self._require_true(self.rule.function(**self._arguments(identity=identity, db=db)))

    async def require_in(self, unit: Unit) -> None:
        """Ask the rule, of either kind, in `unit`. Raises like `require`."""
        if not self.rule.is_coroutine:
            await unit.run(lambda db, actor: self.require(actor, db))
            return
        self.rule.policy.check(unit.actor)
        arguments = self._arguments(identity=unit.actor, unit=unit)
        self._require_true(await self.rule.function(**arguments))

    def _arguments(self, **offered: Any) -> dict[str, Any]:
        offered |= self.values
        return {name: offered[name] for name in self.rule.takes}

    def _require_true(self, answer: Any) -> None:
        if answer is not True:
            raise CommandError(PERMISSION_DENIED)


@dataclass(frozen=True, slots=True)
class ChannelRules:
    """The rules of all features, by namespace."""

    namespaces: Mapping[str, Sequence[Rule]]

    def find_access(self, name: str) -> Access:
        """The rule that covers the channel `name`, with the values of its placeholders.

        Raises CommandError: 107 for what is no channel name, 102 for a namespace that no
        feature has, 103 for a channel that no rule covers.
        """
        if not NAME.fullmatch(name):
            raise CommandError(BAD_REQUEST)
        namespace, _, _ = name.partition(":")
        rules = self.namespaces.get(namespace) if ":" in name else None
        if rules is None:
            raise CommandError(UNKNOWN_CHANNEL)
        for rule in rules:
            if match := rule.expression.fullmatch(name):
                return Access(name, rule, match.groupdict())
        raise CommandError(PERMISSION_DENIED)


def collect_rules(modules: Mapping[str, Any]) -> ChannelRules:
    """The rules in `modules`: each feature's name with its ``realtime.py``.

    Raises ConfigurationError for a module without a rule, a pattern outside the feature's
    namespace, or a function that asks for what no pattern gives.
    """
    return ChannelRules({name: _rules_of(name, module) for name, module in modules.items()})


def _rules_of(namespace: str, module: Any) -> list[Rule]:
    rules = [
        _make_rule(namespace, pattern, function, policy)
        for function in vars(module).values()
        for pattern, policy in getattr(function, "__channels__", ())
    ]
    if not rules:
        raise ConfigurationError(
            "no-channel-rule",
            f"{module.__name__} declares no channel: decorate a function with "
            f'@channel("{namespace}:…").',
        )
    return rules


def _make_rule(namespace: str, pattern: str, function: Decide, policy: Policy) -> Rule:
    where = f"{function.__module__}.{function.__qualname__}"
    if not NAME.fullmatch(pattern) or not pattern.startswith(f"{namespace}:"):
        raise ConfigurationError(
            "bad-channel-pattern",
            f"{where}: {pattern!r} is outside the feature's namespace; "
            f'begin it with "{namespace}:".',
        )
    takes = frozenset(inspect.signature(function).parameters)
    given = frozenset(PLACEHOLDER.findall(pattern))
    is_coroutine = inspect.iscoroutinefunction(function)
    if (wrong := _DATA_OF[not is_coroutine]) in takes - given:
        raise ConfigurationError("bad-channel-rule", f"{where} {_WRONG_DATA[wrong]}")
    if unknown := takes - given - {"identity", _DATA_OF[is_coroutine]}:
        raise ConfigurationError(
            "bad-channel-rule",
            f"{where} asks for {', '.join(sorted(unknown))}, which {pattern!r} does not give.",
        )
    return Rule(pattern, _compile(pattern), function, takes, policy)


_DATA_OF = {False: "db", True: "unit"}
"""The name by which a plain rule and a coroutine reach the database."""
_WRONG_DATA = {
    "db": "is a coroutine function and asks for `db`, which it could not await; "
    "take `unit: Unit` and await `unit.run(service, …)`.",
    "unit": "is a plain function and asks for `unit`, which it could not await; "
    "write it with 'async def', or take `db: Session`.",
}


def _compile(pattern: str) -> re.Pattern[str]:
    literals_and_names = PLACEHOLDER.split(pattern)
    parts = [
        f"(?P<{part}>{PLACEHOLDER_VALUE})" if position % 2 else re.escape(part)
        for position, part in enumerate(literals_and_names)
    ]
    return re.compile("".join(parts))
