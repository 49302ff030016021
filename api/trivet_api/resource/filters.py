"""The filters of a resource: the words that a query string may have, and their conditions.

A word is a path to an attribute and an operator, ``author.name.contains``. All filters must hold.
Those that go through one relationship must hold for one related row, and only for rows that the
actor may see: nobody learns by filtering what may not be read.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from sqlalchemy import and_, inspect, not_, select
from sqlalchemy.orm import Mapper

from trivet.errors import ConfigurationError
from trivet.suggestion import did_you_mean
from trivet_api.resource.fields import Field, fields_of
from trivet_api.resource.operators import EQUAL, NULL, Condition, Operator, operators_of
from trivet_api.resource.options import ReadOptions
from trivet_api.resource.statements import Sight
from trivet_api.resource.text_values import Reader

ALL = "*"
Restrict = Callable[[type[Any]], Condition | None]
"""Gives the condition for the rows of a class that the actor may see; None is all of them."""


@dataclass(frozen=True, slots=True)
class Step:
    """A relationship of a path: from the class `owner` by the attribute `name` to `target`."""

    owner: type[Any]
    name: str
    target: type[Any]
    to_many: bool

    def leads_to(self, conditions: Sequence[Condition]) -> Condition:
        """The condition that a related row exists for which all `conditions` hold."""
        attribute = getattr(self.owner, self.name)
        wanted = and_(*conditions)
        if inspect(self.owner).relationships[self.name].mapper.common_parent(inspect(self.owner)):
            # SQLAlchemy gives the other row another name, and the conditions speak of the class.
            key: Any = _key_of(self.target)
            wanted = key.in_(_keys_where(self.target, wanted))
        found: Condition = attribute.any(wanted) if self.to_many else attribute.has(wanted)
        return found


def _key_of(model: type[Any]) -> Any:
    from sqlalchemy import tuple_

    mapper: Mapper[Any] = inspect(model)
    keys = [mapper.get_property_by_column(each).class_attribute for each in mapper.primary_key]
    return keys[0] if len(keys) == 1 else tuple_(*keys)


def _keys_where(model: type[Any], wanted: Condition) -> Any:
    mapper: Mapper[Any] = inspect(model)
    keys = [mapper.get_property_by_column(each).class_attribute for each in mapper.primary_key]
    return select(*keys).where(wanted).correlate(None)


@dataclass(frozen=True, slots=True, eq=False)
class FilterWord:
    """One word: `name` is as the query string has it, `path` leads to the owner of `field`."""

    name: str
    path: tuple[Step, ...]
    field: Field
    operator: Operator
    read: Reader

    def is_hidden(self, sight: Sight) -> bool:
        """Whether the actor may not see something on its way."""
        if not self.path:
            model: Any = self.field.attribute.class_
            return self.field.name in sight.hidden(model)
        return self.field.name in sight.withheld(self.path[-1].target) or any(
            step.name in sight.hidden(step.owner) or not sight.reads(step.target)
            for step in self.path
        )


@dataclass(frozen=True, slots=True)
class Filter:
    """A word with the values that it was given."""

    word: FilterWord
    values: tuple[Any, ...]

    @property
    def shape(self) -> tuple[Any, ...]:
        """What of it decides the text of the statement."""
        if self.word.operator is NULL:
            return self.word.name, self.values[0]
        return self.word.name, len(self.values)

    def condition(self, name: str) -> Condition:
        """Its condition, with parameters whose names begin with `name`."""
        column: Any = self.word.field.attribute
        operator = self.word.operator
        if operator is NULL:
            is_null: Condition = column.is_(None)
            return is_null if self.values[0] else not_(is_null)
        bound = [operator.bind(self.word.field, each) for each in self._names(name)]
        return operator.compare(column, bound)

    def parameters(self, name: str) -> dict[str, Any]:
        """The values of the parameters in `condition`."""
        if self.word.operator is NULL:
            return {}
        return dict(zip(self._names(name), self.values, strict=True))

    def _names(self, name: str) -> list[str]:
        return [f"{name}_{at}" for at in range(len(self.values))]


def conditions_of(filters: Sequence[Filter], restrict: Restrict) -> list[Condition]:
    """The conditions of `filters`; their parameters are ``f0_0``, ``f0_1``,
    ``f1_0`` and so on."""
    named = [(each.word.path, each.condition(f"f{at}")) for at, each in enumerate(filters)]
    return list(_along(named, restrict))


def parameters_of(filters: Iterable[Filter]) -> dict[str, Any]:
    """The values for the parameters of `conditions_of`."""
    found: dict[str, Any] = {}
    for at, each in enumerate(filters):
        found |= each.parameters(f"f{at}")
    return found


def models_of(filters: Iterable[Filter]) -> Iterator[type[Any]]:
    """The related classes that `filters` look at."""
    yield from (step.target for each in filters for step in each.word.path)


def _along(
    conditions: Sequence[tuple[tuple[Step, ...], Condition]], restrict: Restrict
) -> Iterator[Condition]:
    yield from (condition for path, condition in conditions if not path)
    further = sorted((each for each in conditions if each[0]), key=lambda each: each[0][0].name)
    for _, group in groupby(further, key=lambda each: each[0][0].name):
        inner = list(group)
        step = inner[0][0][0]
        wanted = list(_along([(path[1:], condition) for path, condition in inner], restrict))
        visible = restrict(step.target)
        yield step.leads_to(wanted if visible is None else [*wanted, visible])


# The words of a resource


def filter_words(options: ReadOptions) -> Mapping[str, FilterWord]:
    """The words by which the rows of a resource can be filtered.

    Raises ConfigurationError for a name that leads nowhere.
    """
    found: dict[str, FilterWord] = {}
    for name in options.filters if options.filters is not None else (ALL,):
        names = options.fields if name == ALL else (name,)
        for each in names:
            path, field = _follow(options, each)
            found |= {word.name: word for word in _words(each, path, field)}
            if name != ALL and not any(word.startswith(each) for word in found):
                raise _fault(options, f"{each!r} has a type by which nothing can be filtered.")
    return found


def _words(name: str, path: tuple[Step, ...], field: Field) -> Iterator[FilterWord]:
    for operator in operators_of(field):
        read = operator.reader(field)
        yield FilterWord(f"{name}.{operator.name}", path, field, operator, read)
        if operator is EQUAL:
            yield FilterWord(name, path, field, operator, read)


def _follow(options: ReadOptions, name: str) -> tuple[tuple[Step, ...], Field]:
    *relations, last = name.split(".")
    steps: list[Step] = []
    model, fields, expand = options.model, options.fields, options.expand
    for relation in relations:
        mapper: Mapper[Any] = inspect(model)
        known = mapper.relationships
        if relation not in known:
            raise _fault(
                options,
                f"the filter {name!r} leads through {model.__name__}.{relation}, which is no "
                f"relationship{did_you_mean(relation, known.keys())}",
            )
        target: Any = known[relation].mapper.class_
        steps.append(Step(model, relation, target, bool(known[relation].uselist)))
        inner = expand.get(relation)
        fields = inner.fields if inner else _readable(target)
        model, expand = target, inner.expand if inner else {}
    if last not in fields:
        hint = did_you_mean(last, fields)
        raise _fault(options, f"the filter {name!r} names no readable attribute{hint}")
    return tuple(steps), fields[last]


def _readable(model: type[Any]) -> Mapping[str, Field]:
    return {name: each for name, each in fields_of(model).items() if not each.is_secret}


def _fault(options: ReadOptions, sentence: str) -> ConfigurationError:
    return ConfigurationError("resource", f"resource({options.model.__name__}): {sentence}")
