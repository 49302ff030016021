"""What a feature's ``realtime.py`` declares for names of a pattern: functions and their policies.

A pattern begins with the feature's namespace, and has literals and placeholders in braces. A
function takes, by name, what it needs: the `identity`, the placeholders, and `db`, a session. A
coroutine function takes `unit`, the unit of work of its message, and awaits it.
"""

import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session

from trivet.data.unit_of_work import UnitOfWork
from trivet.errors import ConfigurationError
from trivet.identity import Identity
from trivet.identity.policy import Policy, public

CALLS_MARK = "__client_calls__"
"""The attribute of a function that clients may call (`trivet_realtime.client_calls`)."""
NAME = re.compile(r"[\x21-\x7e]{1,255}")
"""1 to 255 printable ASCII characters without spaces."""
PLACEHOLDER = re.compile(r"\{([a-z_][a-z0-9_]*)\}")
PLACEHOLDER_VALUE = r"[^:#$&{}]+"
"""The characters that a placeholder stands for. The colon parts a name; the others are left to the
protocol's own meanings (user boundary, private, client), so no rule grants those by accident."""

Unit = UnitOfWork[AsyncSession]
"""The annotation by which a coroutine takes the unit of work of its message."""


@dataclass(frozen=True, slots=True)
class Declared:
    """One pattern, and the policy and the function for it."""

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
        """Whether the function reads, so that only `call_in` can call it."""
        return self.is_coroutine or "db" in self.takes

    def call(self, identity: Identity, db: Session | None = None, **given: Any) -> Any:
        """Call a plain function for `identity`. Raises what its policy or the function raises."""
        self.policy.check(identity)
        return self.function(**self._arguments({"identity": identity, "db": db, **given}))

    async def call_in(self, unit: Unit, **given: Any) -> Any:
        """Call the function, of either kind, in `unit`. Raises like `call`."""
        if not self.is_coroutine:
            return await unit.run(lambda db, actor: self.call(actor, db, **given))
        self.policy.check(unit.actor)
        return await self.function(
            **self._arguments({"identity": unit.actor, "unit": unit, **given})
        )

    def _arguments(self, offered: Mapping[str, Any]) -> dict[str, Any]:
        return {name: offered[name] for name in self.takes}


def declare(
    namespace: str,
    pattern: str,
    function: Callable[..., Any],
    policy: Policy,
    *,
    also: Sequence[str] = (),
) -> Declared:
    """A checked declaration. `also` are arguments that it may take beside those of every one.

    Raises ConfigurationError for a pattern outside of `namespace`, or a function that asks for
    what nobody gives.
    """
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
    if unknown := takes - given - {"identity", _DATA_OF[is_coroutine], *also}:
        raise ConfigurationError(
            "bad-channel-rule",
            f"{where} asks for {', '.join(sorted(unknown))}, which {pattern!r} does not give.",
        )
    return Declared(pattern, _compile(pattern), function, takes, policy)


_DATA_OF = {False: "db", True: "unit"}
"""The name by which a plain function and a coroutine reach the database."""
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
