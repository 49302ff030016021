"""Rules as features declare them, checked once at the start.

A feature's ``rules.py``::

    @rule(Loan, "returned_at", on="update")
    def a_loan_that_ended_stays_ended(change: Change[Loan]) -> None:
        if change.old["returned_at"] is not None:
            raise Conflict("loan-ended", "This loan has ended.", attributes=["returned_at"])

What else it may declare stands in `trivet.rules.visibility`.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any, TypeVar, get_args

from sqlalchemy import ColumnElement, inspect
from sqlalchemy.orm import Mapper

from trivet.errors import ConfigurationError
from trivet.identity.identity import Identity
from trivet.rules.addresses import Addresses
from trivet.rules.change import Change, Kind
from trivet.rules.conditions import condition_of, is_apart
from trivet.rules.declaring import (
    Declared,
    declared_in,
    faults_of,
    is_of_others,
    mark,
    no_attribute,
)
from trivet.rules.judged_tables import JudgedTables, follow_judged
from trivet.rules.reading_attributes import with_readers
from trivet.rules.tenants import InTenant, faults_together
from trivet.rules.tenants_by_class import TenantsByClass
from trivet.rules.visibility import Changeable, Visible, answer_of, with_siblings

RuleFunction = Callable[[Change[Any]], None]
F = TypeVar("F", bound=Callable[[Change[Any]], None])

_KINDS: tuple[Kind, ...] = get_args(Kind)


@dataclass(frozen=True, slots=True)
class Rule:
    """A function that judges the changes of `model` of the kinds `on`; with `attributes`, only
    changes of one of them."""

    function: RuleFunction
    model: type[Any]
    attributes: tuple[str, ...]
    on: tuple[str, ...]
    argument: str = "change"

    def concerns(self, change: Change[Any]) -> bool:
        """Whether the function judges `change`."""
        if change.kind not in self.on:
            return False
        return not self.attributes or change.changed(*self.attributes)

    def faults(self, subject: str, mapper: Mapper[Any]) -> Iterator[str]:
        """What is wrong with its attributes and its kinds."""
        for attribute in self.attributes:
            if attribute not in mapper.attrs:
                yield no_attribute(subject, self.model, attribute, list(mapper.attrs.keys()))
            elif is_of_others(mapper, attribute):
                other = mapper.relationships[attribute].mapper.class_.__name__
                yield (
                    f"The rule {subject} names {self.model.__name__}.{attribute}, a collection of "
                    f"{other}: declare a rule on {other}, whose rows change."
                )
        for kind in self.on:
            if kind not in _KINDS:
                yield f"The rule {subject} is on {kind!r}: there are {', '.join(_KINDS)}."


def rule(
    model: type[Any], *attributes: str, on: Kind | Sequence[Kind] = _KINDS
) -> Callable[[F], F]:
    """Declare, in a feature's ``rules.py``, a function that judges changes of `model`.

    The function gets a `Change` and returns nothing. It refuses a change by raising a
    `trivet.TrivetError`, such as `trivet.Conflict`, that names ``attributes``. The declaration is
    a mark on the function, which the start finds. The start also refuses a rule that names no
    mapped class or no attribute of it.

    Args:
        model: A mapped class. Changes of its subclasses are judged too.
        *attributes: Judge only changes of one of these attributes; none: every change.
        on: The kinds of changes, one or several of ``insert``, ``update`` and ``delete``.

    Returns:
        The decorator, which returns the function itself.
    """
    kinds = (on,) if isinstance(on, str) else tuple(on)

    return lambda function: mark(function, Rule(function, model, attributes, kinds))


@dataclass(slots=True)
class RuleRegistry:
    """The rules of all features: those of change are asked by every session that writes, those of
    visibility by every door.

    Attributes:
        addresses: Where rows are read, and by whom.
    """

    addresses: Addresses = field(default_factory=Addresses)
    _rules: dict[type[Any], list[Rule]] = field(default_factory=dict)
    _visible: dict[type[Any], list[Visible]] = field(default_factory=dict)
    _changeable: dict[type[Any], list[Changeable]] = field(default_factory=dict)
    _of_class: dict[type[Any], tuple[Rule, ...]] = field(default_factory=dict)
    tenants: TenantsByClass = field(default_factory=TenantsByClass)
    _tables: JudgedTables | None = None

    def add(self, declared: Declared) -> None:
        """Add a declaration. One that was added before is not added twice."""
        match declared:
            case Rule():
                _append(self._rules, declared)
            case Visible():
                _append(self._visible, declared)
            case Changeable():
                if _append(self._changeable, declared):
                    judging = Rule(declared.judge, declared.model, (), ("insert", "update"))
                    self._rules.setdefault(declared.model, []).append(judging)
            case InTenant():
                if self.tenants.add(declared):
                    self._add_tenant(declared)
            case _:
                raise TypeError(f"{declared!r} is no declaration of a rule")
        self._of_class.clear()
        self._tables = None

    def _add_tenant(self, declared: InTenant) -> None:
        """A tenant is a rule about which rows one sees, and one about changes."""
        seen = Visible(self.tenants.seen_by(declared), declared.model)
        self._visible.setdefault(declared.model, []).append(seen)
        judging = Rule(self.tenants.judging(declared), declared.model, (), _KINDS)
        self._rules.setdefault(declared.model, []).append(judging)

    def rules_of(self, model: type[Any]) -> tuple[Rule, ...]:
        """The rules of change of `model` and of the classes that it is derived from."""
        found = self._of_class.get(model)
        if found is None:
            found = tuple(r for cls in model.__mro__ for r in self._rules.get(cls, ()))
            self._of_class[model] = found
        return found

    def visible_condition(self, model: Any, actor: Identity) -> ColumnElement[bool] | None:
        """The condition for the rows that `actor` sees, over a mapped class or an alias of one.

        Returns:
            The condition; None if no rule restricts the actor.

        Raises:
            ConfigurationError: A rule returned neither a condition nor a bool.
        """
        if not self._visible:
            return None
        inspected: Any = inspect(model)
        mapped: type[Any] = inspected.mapper.class_
        own = [each for each in _of(self._visible, mapped) if not each.attributes]
        below = [each for each in self._of_subclasses(mapped) if not each.attributes]
        return condition_of(own, below, model, actor) if own or below else None

    def restricts(self, model: type[Any]) -> bool:
        """Whether there is a rule about which rows of `model` are seen, whoever asks."""
        every = (*_of(self._visible, model), *self._of_subclasses(model))
        return any(not each.attributes for each in every)

    def restricted_below(self, model: type[Any]) -> Iterator[type[Any]]:
        """The subclasses of `model` that add rules about rows to those that they inherit."""
        found = (each.model for each in self._of_subclasses(model) if not each.attributes)
        yield from dict.fromkeys(found)

    def guarded_attributes(self, model: type[Any]) -> frozenset[str]:
        """The attributes of `model` that a rule may hide from somebody, also of a row of a
        subclass, with every name for them."""
        return with_readers(inspect(model), self._guarded)

    def _guarded(self, model: type[Any]) -> frozenset[str]:
        every = (*_of(self._visible, model), *self._of_subclasses(model))
        mapper: Mapper[Any] = inspect(model)
        named = (name for each in every for name in each.attributes)
        return with_siblings(mapper, [name for name in named if name in mapper.attrs])

    def hidden_attributes(self, model: type[Any], actor: Identity) -> frozenset[str]:
        """The attributes of `model` that `actor` does not see, with every name for them."""
        if not self._visible:
            return frozenset()
        return with_readers(inspect(model), lambda each: self._hidden(each, actor))

    def _hidden(self, model: type[Any], actor: Identity) -> frozenset[str]:
        refusing = (
            each
            for each in _of(self._visible, model)
            if each.attributes and not answer_of(each, actor)
        )
        return _named(model, refusing)

    def fixed_attributes(self, model: type[Any], actor: Identity) -> frozenset[str]:
        """The attributes of `model` that `actor` may not set, with every name for them."""
        every = _of(self._changeable, model) if self._changeable else ()
        return _named(model, (each for each in every if not answer_of(each, actor)))

    def _of_subclasses(self, model: type[Any]) -> Iterator[Visible]:
        for mapped, declared in self._visible.items():
            is_below = mapped is not model and issubclass(mapped, model)
            if is_below and not is_apart(inspect(mapped), inspect(model)):
                yield from declared

    @property
    def tables(self) -> JudgedTables:
        """The tables whose rows rules of change judge."""
        if self._tables is None:
            self._tables = JudgedTables(self._rules)
        return self._tables

    @property
    def judges(self) -> bool:
        """Whether there are rules of change."""
        return bool(self._rules)

    @property
    def narrows(self) -> bool:
        """Whether there are rules about who sees, or may set, what."""
        return bool(self._visible or self._changeable)

    def follow(self) -> None:
        """Have sessions do first what the database would do to judged rows by itself."""
        follow_judged(self._rules)
        self.tenants.mark_columns()

    def __bool__(self) -> bool:
        return bool(self._rules or self._visible)


def _append(known: dict[type[Any], list[Any]], declared: Declared) -> bool:
    """Add `declared` to those of its class; whether it is new."""
    found = known.setdefault(declared.model, [])
    if declared in found:
        return False
    found.append(declared)
    return True


V = TypeVar("V", Visible, Changeable)


def _of(known: dict[type[Any], list[V]], model: type[Any]) -> tuple[V, ...]:
    """What is declared on a class and on those that it is derived from."""
    return tuple(each for cls in model.__mro__ for each in known.get(cls, ()))


def _named(model: type[Any], declared: Iterable[Visible | Changeable]) -> frozenset[str]:
    names = [name for each in declared for name in each.attributes]
    return with_siblings(inspect(model), names) if names else frozenset()


def collect_rules(modules: Iterable[ModuleType]) -> RuleRegistry:
    """The registry of every rule that `modules` declare.

    Args:
        modules: The features' ``rules.py``.

    Raises:
        ConfigurationError: A ``rules.py`` declares no rule; or a rule is no plain function, or
            it names a class that is not mapped, an attribute that does not exist or that it cannot
            be about, or an unknown kind of change (all are reported at once).
    """
    registry = RuleRegistry()
    faults: list[str] = []
    for module in modules:
        declared = list(declared_in(module))
        if not declared:
            faults.append(
                f"{module.__name__} declares no rule: decorate a function with @rule(Model), "
                "@visible(Model) or @changeable(Model, 'attribute')."
            )
        for each in declared:
            found = list(faults_of(each))
            faults += found
            if not found:
                registry.add(each)
    faults += faults_together(registry.tenants.declared)
    if faults:
        raise ConfigurationError("rule", " ".join(faults))
    registry.follow()
    return registry
