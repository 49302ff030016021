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

Two signs in a name have a meaning of the protocol's: ``$`` before it asks for a token, whatever the
rules say, and ``#7,8`` behind it names the users whom it is for (`Namespace.user_limited`).
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from sqlalchemy.orm import Session

from trivet.errors import ConfigurationError
from trivet.identity import Identity
from trivet.identity.policy import Policy, public
from trivet_realtime.codes import BAD_REQUEST, PERMISSION_DENIED, UNKNOWN_CHANNEL, CommandError
from trivet_realtime.declared import CALLS_MARK, NAME, Declared, Unit, declare
from trivet_realtime.namespaces import PLAIN, Namespace

Rule = Declared
"""A pattern with the function that decides who may subscribe."""

Decide = Callable[..., bool | Awaitable[bool]]
F = TypeVar("F", bound=Decide)

PRIVATE = "$"
USERS = "#"


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
class Access:
    """A channel of a namespace, on its way to being allowed.

    `rule` is the one that covers it, with the values of its placeholders; None: the users in its
    name are those who may. `is_private` asks for a token in any case.
    """

    channel: str
    rule: Rule | None
    values: Mapping[str, str]
    namespace: Namespace = PLAIN
    is_private: bool = False

    @property
    def needs_unit(self) -> bool:
        """Whether only `require_in` can ask the rule."""
        return self.rule is not None and self.rule.needs_unit

    def require(self, identity: Identity, db: Session | None = None) -> None:
        """Ask a plain rule.

        Raises unless it says True: CommandError, or what its policy or the rule itself raises.
        """
        rule = self._require_rule(identity)
        if rule is not None:
            self._require_true(rule.call(identity, db, **self.values))

    async def require_in(self, unit: Unit) -> None:
        """Ask the rule, of either kind, in `unit`. Raises like `require`."""
        rule = self._require_rule(unit.actor)
        if rule is not None:
            self._require_true(await rule.call_in(unit, **self.values))

    def _require_rule(self, identity: Identity) -> Rule | None:
        """The rule that has to be asked; None if the name itself has decided for `identity`."""
        if self.is_private:
            raise CommandError(PERMISSION_DENIED)
        if self.rule is None:
            users = self.channel.rpartition(USERS)[2].split(",")
            self._require_true(identity.user_id is not None and str(identity.user_id) in users)
        return self.rule

    def _require_true(self, answer: Any) -> None:
        if answer is not True:
            raise CommandError(PERMISSION_DENIED)


@dataclass(frozen=True, slots=True)
class ChannelRules:
    """The rules of all features, and the options of their channels, by namespace."""

    namespaces: Mapping[str, Sequence[Rule]]
    options: Mapping[str, Namespace] = field(default_factory=dict)

    def find_namespace(self, name: str) -> tuple[str, Namespace]:
        """The namespace of the channel `name`, and its options.

        Raises CommandError: 107 for what is no channel name, 102 for a namespace that no
        feature has.
        """
        if not NAME.fullmatch(name):
            raise CommandError(BAD_REQUEST)
        namespace, colon, _ = name.removeprefix(PRIVATE).partition(":")
        if not colon:
            namespace = ""
        if namespace not in self.namespaces:
            raise CommandError(UNKNOWN_CHANNEL)
        return namespace, self.options.get(namespace, PLAIN)

    def find_access(self, name: str, *, by_token: bool = False) -> Access:
        """The channel `name`, with the rule that covers it and the values of its placeholders.

        Whoever has a token for it (`by_token`) needs no rule.

        Raises CommandError like `find_namespace`, and 103 for a channel that no rule covers.
        """
        namespace, options = self.find_namespace(name)
        is_private = name.startswith(PRIVATE)
        plain = name.removeprefix(PRIVATE)
        for rule in self.namespaces[namespace]:
            if match := rule.expression.fullmatch(plain):
                return Access(name, rule, match.groupdict(), options, is_private)
        if by_token or (options.user_limited and USERS in name):
            return Access(name, None, {}, options, is_private)
        raise CommandError(PERMISSION_DENIED)

    def personal_channels(self, identity: Identity) -> list[str]:
        """The channels of its own that a user is subscribed to when it connects."""
        if identity.user_id is None:
            return []
        names = [name for name, options in self.options.items() if options.personal]
        return [f"{name}:#{identity.user_id}" if name else f"#{identity.user_id}" for name in names]


def collect_rules(modules: Mapping[str, Any]) -> ChannelRules:
    """The rules in `modules`: each feature's name with its ``realtime.py``.

    A feature that only takes calls of clients has no channels, and its namespace is unknown.

    Raises ConfigurationError for a module that declares nothing or two namespaces, a pattern
    outside the feature's namespace, or a function that asks for what no pattern gives.
    """
    rules = {name: _rules_of(name, module) for name, module in modules.items()}
    options = {name: _options_of(module) for name, module in modules.items()}
    for name, module in modules.items():
        if not rules[name] and options[name] is PLAIN:
            _require_calls(name, module)
            del rules[name]
    return ChannelRules(rules, options)


def _require_calls(namespace: str, module: Any) -> None:
    """Raise for a module in which nothing is declared at all."""
    if not any(hasattr(function, CALLS_MARK) for function in vars(module).values()):
        raise ConfigurationError(
            "no-channel-rule",
            f"{module.__name__} declares no channel, and takes no calls: decorate a function with "
            f'@channel("{namespace}:…"), @publication, @rpc or @message.',
        )


def _options_of(module: Any) -> Namespace:
    found = {id(each): each for each in vars(module).values() if isinstance(each, Namespace)}
    if len(found) > 1:
        raise ConfigurationError(
            "two-namespaces",
            f"{module.__name__} has {len(found)} Namespace objects, and its feature is one "
            "namespace: keep one of them.",
        )
    return next(iter(found.values()), PLAIN)


def _rules_of(namespace: str, module: Any) -> list[Rule]:
    return [
        declare(namespace, pattern, function, policy)
        for function in vars(module).values()
        for pattern, policy in getattr(function, "__channels__", ())
    ]
