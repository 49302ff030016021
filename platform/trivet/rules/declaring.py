"""The marks of declarations on functions of a feature's ``rules.py``, and what makes one refused.

A decorator does nothing but mark: the start finds the marks, checks them, and tells all faults at
once, each with its cure.
"""

import inspect
from collections.abc import Callable, Iterator
from difflib import get_close_matches
from types import ModuleType
from typing import Any, Protocol, TypeVar

from sqlalchemy import inspect as inspect_mapped
from sqlalchemy.orm import Mapper, RelationshipDirection, RelationshipProperty

from trivet.errors import ConfigurationError

F = TypeVar("F", bound=Callable[..., Any])

_MARK = "__rules__"


class Declared(Protocol):
    """What a mark holds."""

    @property
    def function(self) -> Callable[..., Any]:
        """The function that is marked."""
        ...

    @property
    def model(self) -> type[Any]:
        """The class that it is about."""
        ...

    @property
    def argument(self) -> str:
        """What the function takes, in a word."""
        ...

    def faults(self, subject: str, mapper: Mapper[Any]) -> Iterator[str]:
        """What is wrong with the rest of the declaration."""
        ...


def mark(function: F, declared: Declared) -> F:
    """Put `declared` on `function`, and return the function."""
    try:
        vars(function)[_MARK] = (*vars(function).get(_MARK, ()), declared)
    except TypeError:
        raise no_function(function) from None
    return function


def declared_in(module: ModuleType) -> Iterator[Declared]:
    """The marks of everything in `module`."""
    for value in vars(module).values():
        marks = getattr(value, _MARK, ())
        yield from marks if isinstance(marks, tuple) else ()


def faults_of(declared: Declared) -> Iterator[str]:
    """What is wrong with `declared`, a sentence each."""
    function: Any = declared.function
    subject = f"{function.__module__}.{getattr(function, '__qualname__', function)}"
    if not inspect.isfunction(function) or inspect.iscoroutinefunction(function):
        yield no_function(function).detail
    elif not _takes_one(function):
        yield f"The rule {subject} must take one argument, the {declared.argument}."
    mapper = inspect_mapped(declared.model, raiseerr=False)
    if not isinstance(mapper, Mapper):
        name = getattr(declared.model, "__name__", declared.model)
        yield f"The rule {subject} names {name}, which is no mapped class: name one of models.py."
        return
    yield from declared.faults(subject, mapper)


def no_function(given: Any) -> ConfigurationError:
    """The error about something that is decorated and is no plain function."""
    name = getattr(given, "__qualname__", repr(given))
    return ConfigurationError(
        "rule", f"The rule {name} is no plain function: declare it with 'def', and not as a class, "
        "a method or 'async def'."
    )  # fmt: skip


def no_attribute(subject: str, model: type[Any], name: str, names: list[str]) -> str:
    """The sentence about an attribute that there is not, among `names`."""
    close = get_close_matches(name, names, 1)
    meant = f" Did you mean {close[0]!r}?" if close else f" It has {', '.join(sorted(names))}."
    return f"The rule {subject} names {model.__name__}.{name}, and there is none.{meant}"


def is_of_others(mapper: Mapper[Any], name: str) -> bool:
    """Whether an attribute is a collection of rows of another class, which rules of their own are
    about."""
    found: RelationshipProperty[Any] | None = mapper.relationships.get(name)
    if found is None:
        return False
    return found.direction is RelationshipDirection.ONETOMANY or found.viewonly


def _takes_one(function: Callable[..., Any]) -> bool:
    try:
        inspect.signature(function).bind(object())
    except TypeError:
        return False
    return True
