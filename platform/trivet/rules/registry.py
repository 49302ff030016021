"""Rules as features declare them, checked once at the start.

A feature's ``rules.py``::

    @rule(Loan, "returned_at", on="update")
    def a_loan_that_ended_stays_ended(change: Change[Loan]) -> None:
        if change.old["returned_at"] is not None:
            raise Conflict("loan-ended", "This loan has ended.", attributes=["returned_at"])
"""

import inspect
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from types import ModuleType
from typing import Any, TypeVar, get_args

from sqlalchemy import inspect as inspect_mapped
from sqlalchemy.orm import Mapper, RelationshipDirection, RelationshipProperty

from trivet.errors import ConfigurationError
from trivet.rules.change import Change, Kind
from trivet.rules.judged_tables import JudgedTables, follow_judged

RuleFunction = Callable[[Change[Any]], None]
F = TypeVar("F", bound=Callable[[Change[Any]], None])

_MARK = "__rules__"
_KINDS: tuple[Kind, ...] = get_args(Kind)


@dataclass(frozen=True, slots=True)
class Rule:
    """A function that judges the changes of `model` of the kinds `on`; with `attributes`, only
    changes of one of them."""

    function: RuleFunction
    model: type[Any]
    attributes: tuple[str, ...]
    on: tuple[str, ...]

    def concerns(self, change: Change[Any]) -> bool:
        """Whether the function judges `change`."""
        if change.kind not in self.on:
            return False
        return not self.attributes or change.changed(*self.attributes)


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

    def mark(function: F) -> F:
        declared = Rule(function, model, attributes, kinds)
        try:
            marked = (*vars(function).get(_MARK, ()), declared)
            setattr(function, _MARK, marked)
        except (AttributeError, TypeError):
            raise _no_function(function) from None
        return function

    return mark


@dataclass(slots=True)
class RuleRegistry:
    """The rules of all features, asked by every session that writes."""

    _rules: dict[type[Any], list[Rule]] = field(default_factory=dict)
    _of_class: dict[type[Any], tuple[Rule, ...]] = field(default_factory=dict)
    _tables: JudgedTables | None = None

    def add(self, declared: Rule) -> None:
        """Add a rule. A rule that was added before is not added twice."""
        known = self._rules.setdefault(declared.model, [])
        if declared not in known:
            known.append(declared)
        self._of_class.clear()
        self._tables = None

    def rules_of(self, model: type[Any]) -> tuple[Rule, ...]:
        """The rules of `model` and of the classes that it is derived from."""
        found = self._of_class.get(model)
        if found is None:
            found = tuple(r for cls in model.__mro__ for r in self._rules.get(cls, ()))
            self._of_class[model] = found
        return found

    @property
    def tables(self) -> JudgedTables:
        """The tables whose rows rules judge."""
        if self._tables is None:
            self._tables = JudgedTables(self._rules)
        return self._tables

    def follow(self) -> None:
        """Have sessions do first what the database would do to judged rows by itself."""
        follow_judged(self._rules)

    def __bool__(self) -> bool:
        return bool(self._rules)


def collect_rules(modules: Iterable[ModuleType]) -> RuleRegistry:
    """The registry of every rule that `modules` declare.

    Args:
        modules: The features' ``rules.py``.

    Raises:
        ConfigurationError: A ``rules.py`` declares no rule; or a rule is no plain function, or
            it names a class that is not mapped, an attribute that does not exist, or an unknown
            kind of change (all are reported at once).
    """
    registry = RuleRegistry()
    faults: list[str] = []
    for module in modules:
        declared = list(_declared(module))
        if not declared:
            faults.append(
                f"{module.__name__} declares no rule: decorate a function with @rule(Model)."
            )
        for each in declared:
            found = list(_faults(each))
            faults += found
            if not found:
                registry.add(each)
    if faults:
        raise ConfigurationError("rule", " ".join(faults))
    registry.follow()
    return registry


def _declared(module: ModuleType) -> Iterator[Rule]:
    for value in vars(module).values():
        marked = getattr(value, _MARK, ())
        yield from (each for each in marked if isinstance(each, Rule))


def _faults(declared: Rule) -> Iterator[str]:
    function: Any = declared.function
    subject = f"{function.__module__}.{getattr(function, '__qualname__', function)}"
    if not inspect.isfunction(function) or inspect.iscoroutinefunction(function):
        yield _no_function(function).detail
    elif not _takes_one(function):
        yield f"The rule {subject} must take one argument, the change."
    mapper = inspect_mapped(declared.model, raiseerr=False)
    if not isinstance(mapper, Mapper):
        name = getattr(declared.model, "__name__", declared.model)
        yield f"The rule {subject} names {name}, which is no mapped class: name one of models.py."
        return
    for attribute in declared.attributes:
        if attribute not in mapper.attrs:
            yield _no_attribute(subject, declared.model, attribute, list(mapper.attrs.keys()))
        elif attribute in mapper.relationships and _holds_rows(mapper.relationships[attribute]):
            other = mapper.relationships[attribute].mapper.class_.__name__
            yield (
                f"The rule {subject} names {declared.model.__name__}.{attribute}, a collection of "
                f"{other}: declare a rule on {other}, whose rows change."
            )
    for kind in declared.on:
        if kind not in _KINDS:
            yield f"The rule {subject} is on {kind!r}: there are {', '.join(_KINDS)}."


def _takes_one(function: Callable[..., Any]) -> bool:
    try:
        inspect.signature(function).bind(object())
    except TypeError:
        return False
    return True


def _no_attribute(subject: str, model: type[Any], name: str, names: list[str]) -> str:
    close = get_close_matches(name, names, 1)
    meant = f" Did you mean {close[0]!r}?" if close else f" It has {', '.join(sorted(names))}."
    return f"The rule {subject} names {model.__name__}.{name}, and there is none.{meant}"


def _holds_rows(relationship: RelationshipProperty[Any]) -> bool:
    is_to_many = relationship.direction is RelationshipDirection.ONETOMANY
    return is_to_many or relationship.viewonly


def _no_function(given: Any) -> ConfigurationError:
    name = getattr(given, "__qualname__", repr(given))
    return ConfigurationError(
        "rule", f"The rule {name} is no plain function: declare it with 'def', and not as a class, "
        "a method or 'async def'."
    )  # fmt: skip
