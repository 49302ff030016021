"""Statements that are made once for each shape of a question.

To make a statement, and to find out that it is an old one, costs SQLAlchemy more than to run it.
So a statement is kept by what decides its text, with parameters for all values, and the same
object is executed again: SQLAlchemy remembers of an object how it was compiled.

The conditions of the rules are made anew for each actor. Their text is compared, and the values in
them are handed to the parameters of the first condition of the same text. What is kept holds no
actor's values: its parameters have none of their own, and a caller who leaves one out is refused.
"""

from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from sqlalchemy import BindParameter, ColumnElement
from sqlalchemy.sql import visitors

from trivet.identity.identity import Identity
from trivet.rules.addresses import Addresses
from trivet_api.resource.fields import fields_of
from trivet_api.resource.naming import permission_of

T = TypeVar("T")
Condition = ColumnElement[bool]
KEPT = 500
"""Statements of a resource; a client could ask for any number of different ones."""


class Rules(Protocol):
    """What is asked of the rules (`trivet.rules.registry.RuleRegistry`)."""

    @property
    def addresses(self) -> Addresses: ...

    def visible_condition(self, model: type[Any], actor: Identity) -> Condition | None: ...

    def hidden_attributes(self, model: type[Any], actor: Identity) -> frozenset[str]: ...


@dataclass(frozen=True, slots=True, eq=False)
class Restriction:
    """The rows of a class that an actor may see: a condition, or None for all.

    Attributes:
        condition: The condition with the actor's values.
        key: What decides its text; None if that cannot be told.
        binds: Its parameters, in their order.
    """

    condition: Condition | None = None
    key: Hashable = ()
    binds: tuple[BindParameter[Any], ...] = ()

    def without_values(self) -> Condition | None:
        """The condition as it can be kept for other actors: each of its parameters has to be handed
        over. One whose text cannot be told is kept for nobody, and has its values."""
        if self.condition is None or self.key is None or not self.binds:
            return self.condition
        # As SQLAlchemy's own `params()` does it: keys stay, and the parameters are others.
        options = {"maintain_key": True, "detect_subquery_cols": True}
        return visitors.cloned_traverse(self.condition, options, {"bindparam": _take_value})

    @classmethod
    def of(cls, condition: Condition | None) -> "Restriction":
        """The restriction by a condition."""
        if condition is None:
            return EVERYTHING
        found = condition._generate_cache_key()  # noqa: SLF001  # there is no public way; pinned by a test
        if found is None:
            return cls(condition, key=None)
        return cls(condition, found.key, tuple(found.bindparams))


def _take_value(bind: BindParameter[Any]) -> None:
    bind.value, bind.callable, bind.required = None, None, True
    # SQLAlchemy renames a unique one where it copies a condition for an alias, and then the value
    # that is handed over does not find it.
    bind.unique = False


EVERYTHING = Restriction()


class Sight:
    """What one actor may see, asked once for a class.

    Args:
        rules: The rules.
        actor: Who asks.
        has_policy: Whether the resource that is asked says itself who may read.
    """

    def __init__(self, rules: Rules, actor: Identity, *, has_policy: bool = False) -> None:
        self._rules = rules
        self.actor = actor
        self._has_policy = has_policy
        self._withheld: dict[type[Any], frozenset[str]] = {}
        self._hidden: dict[type[Any], frozenset[str]] = {}
        self._restrictions: dict[type[Any], Restriction] = {}
        self._conditions: dict[type[Any], Condition | None] = {}

    def hidden(self, model: type[Any]) -> frozenset[str]:
        """The attributes of a class that the actor may not see."""
        found = self._hidden.get(model)
        if found is None:
            found = self._hidden[model] = self._rules.hidden_attributes(model, self.actor)
        return found

    def withheld(self, model: type[Any]) -> frozenset[str]:
        """The attributes of a related class that the actor may not see: those that are hidden, and
        those that no address of the class would show to the actor."""
        found = self._withheld.get(model)
        if found is None:
            shown = self._rules.addresses.shown(model, self.actor)
            outside = frozenset() if shown is None else fields_of(model).keys() - shown
            found = self._withheld[model] = self.hidden(model) | outside
        return found

    def reads(self, model: type[Any]) -> bool:
        """Whether the actor may read rows of a related class: at an address of its own; where it
        has none, by the policy of the resource that is asked, or by Django's permission."""
        shown = self._rules.addresses.shown(model, self.actor)
        if shown is None:
            return self._has_policy or self.actor.allows(permission_of(model, "view"))
        return bool(shown)

    def restriction(self, model: type[Any]) -> Restriction:
        """The rows of a class that the actor may see."""
        found = self._restrictions.get(model)
        if found is None:
            condition = self._rules.visible_condition(model, self.actor)
            found = self._restrictions[model] = Restriction.of(condition)
        return found

    def restrict(self, model: type[Any]) -> Condition | None:
        """The condition of the restriction, for a statement that is kept: without the values of
        its parameters, which `Statements.find` gives."""
        if model not in self._conditions:
            self._conditions[model] = self.restriction(model).without_values()
        return self._conditions[model]


@dataclass(frozen=True, slots=True, eq=False)
class Kept(Generic[T]):
    """Something that was made for a shape, with the names of the rules' parameters in it."""

    made: T
    names: tuple[str, ...]


def is_plain(sight: Sight, models: Iterable[type[Any]]) -> bool:
    """Whether no restriction of `models` has a list of any length, so that the text of a statement
    is always the same."""
    for each in models:
        binds = sight.restriction(each).binds
        if binds and any(bind.expanding for bind in binds):
            return False
    return True


class Statements(Generic[T]):
    """What was made for each shape, the newest `KEPT` of it."""

    def __init__(self) -> None:
        self._kept: OrderedDict[Hashable, Kept[T]] = OrderedDict()

    def find(
        self,
        shape: Hashable,
        sight: Sight,
        models: Sequence[type[Any]],
        make: Callable[[], T],
    ) -> tuple[T, dict[str, Any]]:
        """What was made for `shape` and the restrictions of `models`, and the values of the rules'
        parameters in it."""
        restrictions = [sight.restriction(each) for each in models]
        keys = tuple([each.key for each in restrictions])
        if None in keys:
            return make(), {}
        key = shape, keys
        kept = self._kept.get(key)
        if kept is None:
            names = tuple(bind.key for each in restrictions for bind in each.binds)
            kept = self._kept[key] = Kept(make(), names)
            if len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        else:
            self._kept.move_to_end(key)
        if not kept.names:
            return kept.made, {}
        binds = (bind.effective_value for each in restrictions for bind in each.binds)
        return kept.made, dict(zip(kept.names, binds, strict=True))
