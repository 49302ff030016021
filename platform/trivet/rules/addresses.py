"""Where the rows of a class are read, by whom, and which of their attributes.

A class may have several addresses, each with policies and attributes of its own. Whoever asks for
its rows through a relationship of another class gets what one of these addresses would show, and
nothing else (docs/decisions/0157). The API adds its resources while it is mounted.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from trivet.errors import Forbidden, Unauthenticated
from trivet.identity.identity import Identity
from trivet.identity.policy import Policy


@dataclass(frozen=True, slots=True)
class Address:
    """A place where rows are read: who may, and the attributes that are shown."""

    policies: tuple[Policy, ...]
    names: frozenset[str]

    def admits(self, actor: Identity) -> bool:
        """Whether `actor` may read there."""
        try:
            for policy in self.policies:
                policy.check(actor)
        except (Forbidden, Unauthenticated):
            return False
        return True


@dataclass(frozen=True, slots=True)
class Addresses:
    """The addresses of an application, by the mapped classes."""

    _found: dict[type[Any], set[Address]] = field(default_factory=dict)

    def add(self, model: type[Any], policies: Iterable[Policy], names: Iterable[str]) -> None:
        """Add a place where rows of `model` are read. One that is known is not added twice."""
        self._found.setdefault(model, set()).add(Address(tuple(policies), frozenset(names)))

    def names(self, model: type[Any]) -> frozenset[str] | None:
        """The attributes that some address shows; None if the class has no address."""
        there = self._found.get(model)
        return None if there is None else frozenset().union(*(each.names for each in there))

    def shown(self, model: type[Any], actor: Identity) -> frozenset[str] | None:
        """The attributes that `actor` may read somewhere.

        Returns:
            Their names, none where the actor may not read the class at all; None if the class has
            no address.
        """
        there = self._found.get(model)
        if there is None:
            return None
        return frozenset().union(*(each.names for each in there if each.admits(actor)))
