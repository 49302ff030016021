"""Rules of visibility: who sees which rows and which attributes, and who may set which.

A feature's ``rules.py``::

    @visible(Loan)
    def own_loans(actor: Identity) -> ColumnElement[bool] | bool:
        return actor.allows("library.view_every_loan") or Loan.reader_id == actor.user_id

    @visible(Reader, "email", "phone")
    def contact_data(actor: Identity) -> bool:
        return actor.allows("library.view_contacts")

    @changeable(Loan, "due_at")
    def only_librarians_extend(actor: Identity) -> bool:
        return actor.allows("library.extend_loan")

Several rules about one thing must all agree. Which rows one sees is asked at the doors, and by
services that want to know; a service may touch rows that its caller does not see. What one may set
is judged in the flush, like a rule of change, so it holds whatever writes.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy.orm import (
    ColumnProperty,
    CompositeProperty,
    Mapper,
    RelationshipProperty,
    SynonymProperty,
)
from sqlalchemy.orm.attributes import instance_state

from trivet.errors import ConfigurationError, Forbidden
from trivet.identity.identity import ANONYMOUS, Identity
from trivet.models.derived_columns import sources_of
from trivet.models.labels import in_words, with_article
from trivet.rules.change import Change
from trivet.rules.declaring import is_of_others, mark, no_attribute

F = TypeVar("F", bound=Callable[[Identity], Any])


@dataclass(frozen=True, slots=True)
class Visible:
    """A function that says which rows of `model` an actor sees; with `attributes`, whether the
    actor sees these."""

    function: Callable[[Identity], Any]
    model: type[Any]
    attributes: tuple[str, ...] = ()
    argument: str = "actor"

    def faults(self, subject: str, mapper: Mapper[Any]) -> Iterator[str]:
        """What is wrong with its attributes."""
        for name in self.attributes:
            yield from _faults(subject, mapper, name)
            if name in mapper.attrs and _has_key(mapper, name):
                yield (
                    f"The rule {subject} hides {mapper.class_.__name__}.{name}, the primary key, "
                    "by which the row is addressed: hide the rows, or use another key."
                )


@dataclass(frozen=True, slots=True)
class Changeable:
    """A function that says whether an actor may set `attributes` of `model`."""

    function: Callable[[Identity], Any]
    model: type[Any]
    attributes: tuple[str, ...]
    argument: str = "actor"

    def faults(self, subject: str, mapper: Mapper[Any]) -> Iterator[str]:
        """What is wrong with its attributes."""
        if not self.attributes:
            yield (
                f"The rule {subject} names no attribute: @changeable(Model, 'attribute') says "
                "which may be set; @rule(Model) judges changes of any."
            )
        for name in self.attributes:
            yield from _faults(subject, mapper, name)

    def judge(self, change: Change[Any]) -> None:
        """Refuse a change of one of the attributes by an actor who may not set it.

        Raises:
            Forbidden: It changes one; or a new row brings another value than the default.
        """
        mapper = instance_state(change.instance).mapper
        wanted = [name for name in self.attributes if _is_set(change, mapper, name)]
        if wanted and not answer_of(self, change.actor or ANONYMOUS):
            raise _may_not_set(mapper.class_, wanted)


def visible(model: type[Any], *attributes: str) -> Callable[[F], F]:
    """Declare, in a feature's ``rules.py``, who sees which rows of `model`, or which attributes.

    Without attributes, the function returns a condition of SQL over `model`, True for all rows or
    False for none. With attributes it returns whether the actor sees them. It holds for the lists,
    pages, choices and the trail of the admin, for resources and what is published of them, and
    for `select_visible`. Of several rules all must agree. A class without one is seen whole by
    everybody whom its permissions let in.

    Args:
        model: A mapped class. Its subclasses inherit the rule.
        *attributes: Names of its attributes; none: the rule is about rows.

    Returns:
        The decorator, which returns the function itself.
    """
    return lambda function: mark(function, Visible(function, model, attributes))


def changeable(model: type[Any], *attributes: str) -> Callable[[F], F]:
    """Declare, in a feature's ``rules.py``, who may set some attributes of `model`.

    The function returns whether the actor may. If not, a change of one of them is refused with
    `trivet.Forbidden`, by whatever way it comes, and so is a new row that brings another value
    than the default. Forms show the attributes without an input.

    Args:
        model: A mapped class. Its subclasses inherit the rule.
        *attributes: Names of its attributes, one at least.

    Returns:
        The decorator, which returns the function itself.
    """
    return lambda function: mark(function, Changeable(function, model, attributes))


def answer_of(declared: Visible | Changeable, actor: Identity) -> bool:
    """What a rule about attributes says of `actor`.

    Raises:
        ConfigurationError: It says neither True nor False.
    """
    says = ask(declared.function, actor)
    if not isinstance(says, bool):
        raise ConfigurationError(
            "rule",
            f"The rule {named(declared.function)} returned {_kind(says)} for attributes of "
            f"{declared.model.__name__}: return True or False.",
        )
    return says


def ask(function: Callable[[Identity], Any], actor: Identity) -> Any:
    """What `function` says of `actor`; an exception of it names the rule."""
    try:
        return function(actor)
    except Exception as error:
        error.add_note(f"raised by the rule {named(function)}")
        raise


def named(function: Callable[..., Any]) -> str:
    """The name of a rule, as errors say it."""
    return f"{function.__module__}.{function.__qualname__}"


def with_siblings(mapper: Mapper[Any], names: Iterator[str] | list[str]) -> frozenset[str]:
    """`names` of attributes, with every other attribute that says the same, or something of it.

    A relationship to one row says its foreign keys, a synonym its column, a composite its columns,
    an expression and a computed column those of which they are made. The primary key is none of
    them.
    """
    found = set(names)
    columns = {column for name in found for column in _columns(mapper, name)}
    every = dict.fromkeys([*mapper.attrs.keys(), *mapper.all_orm_descriptors.keys()])
    while made := [
        name
        for name in every
        if name not in found and not columns.isdisjoint(sources_of(mapper, name))
    ]:
        found.update(made)
        columns.update(column for name in made for column in _columns(mapper, name))
    found.update(name for name in every if not columns.isdisjoint(_columns(mapper, name)))
    return frozenset(found)


def _columns(mapper: Mapper[Any], name: str) -> set[Any]:
    """The columns of the table behind an attribute, without those of the primary key."""
    found: set[Any] = set()
    match mapper.attrs.get(name):
        case ColumnProperty() as attribute:
            found.update(attribute.columns)
        case SynonymProperty() as attribute:
            return _columns(mapper, attribute.name)
        case CompositeProperty() as attribute:
            return {each for part in attribute.props for each in _columns(mapper, part.key)}
        case RelationshipProperty() as attribute if not is_of_others(mapper, name):
            found.update(attribute.local_columns if attribute.secondary is None else ())
        case _:
            pass
    return found.difference(mapper.primary_key)


def _faults(subject: str, mapper: Mapper[Any], name: str) -> Iterator[str]:
    mapped = mapper.class_
    if name not in mapper.all_orm_descriptors:
        if not isinstance(getattr(mapped, name, None), property):
            yield no_attribute(subject, mapped, name, list(mapper.attrs.keys()))
    elif is_of_others(mapper, name):
        other = mapper.relationships[name].mapper.class_.__name__
        yield (
            f"The rule {subject} names {mapped.__name__}.{name}, a collection of {other}: declare "
            f"a rule on {other}."
        )


def _has_key(mapper: Mapper[Any], name: str) -> bool:
    attribute = mapper.attrs[name]
    columns = getattr(attribute, "columns", ())
    return any(column in mapper.primary_key for column in columns)


def _is_set(change: Change[Any], mapper: Mapper[Any], name: str) -> bool:
    """Whether an attribute gets another value; of a new row, another than its default."""
    if name not in mapper.attrs or not change.changed(name):
        return False
    if change.kind != "insert":
        return True
    columns = _columns(mapper, name) or {None}
    return any(column is None or _is_given(change, mapper, column) for column in columns)


def _is_given(change: Change[Any], mapper: Mapper[Any], column: Any) -> bool:
    key = mapper.get_property_by_column(column).key
    if key not in change.changes:
        return False
    default: Any = column.default
    is_plain = default is not None and default.is_scalar
    return not is_plain or bool(change.changes[key].new != default.arg)


def _may_not_set(mapped: type[Any], names: list[str]) -> Forbidden:
    listed, noun = " and ".join(names), in_words(mapped.__name__)
    return Forbidden(
        "attribute-fixed", f"You may not set {listed} of {with_article(noun)}.", attributes=names
    )


def _kind(value: Any) -> str:
    return "nothing" if value is None else f"a {type(value).__name__}"
