"""Dates and times in bodies of JSON are texts, as ISO 8601 has them.

Pydantic takes a number, and a text of digits, for an instant since 1970, in seconds or in
milliseconds as its size suggests: a price in the wrong field becomes a date of that year, with a
201. In query strings such a number is refused (`trivet_api.query`); here it is in bodies. A schema
that wants numbers says so, by a number among the types of the field (``datetime | int``) or by a
validator of its own before Pydantic's.

The number is put out of Pydantic's sight, so that the refusal, with its pointer, is Pydantic's own.
"""

import datetime as dt
import re
from collections.abc import Callable, Mapping, Sequence, Set
from decimal import Decimal
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, BeforeValidator, PlainValidator, WrapValidator

Judge = Callable[[Any], Any]
"""Takes a value of JSON, and gives it back without numbers in the places of times."""

_TIMES = (dt.date, dt.time)  # a datetime is a date
_NUMBERS = (int, float, Decimal)
_DIGITS = re.compile(r"\s*[+-]?\d+(\.\d*)?\s*")
_ITSELF = (BeforeValidator, PlainValidator, WrapValidator)


class NotTime:
    """In the place of a number where a time is due; no type of Pydantic's takes it."""


def judge_of(annotation: Any, metadata: Sequence[Any] = ()) -> Judge | None:
    """The judge of the values of `annotation`, or None where no time can stand in them."""
    if any(isinstance(each, _ITSELF) for each in metadata):
        return None
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return judge_of(arguments[0], arguments[1:])
    if origin in (Union, UnionType):
        return _judge_of_union(arguments)
    kind = origin or annotation
    return _judge_of_class(kind, arguments) if isinstance(kind, type) else None


def _judge_of_class(kind: type, arguments: Sequence[Any]) -> Judge | None:
    if issubclass(kind, _TIMES):
        return _judge_time
    if issubclass(kind, BaseModel):
        return _ModelJudge(kind)
    if issubclass(kind, Mapping) and len(arguments) == 2:
        return _within(_judge_items, judge_of(arguments[1]))
    if issubclass(kind, Sequence | Set) and arguments:
        return _within(_judge_elements, judge_of(arguments[0]))
    return None


def _within(judge_all: Callable[[Any, Judge], Any], judge: Judge | None) -> Judge | None:
    return None if judge is None else lambda value: judge_all(value, judge)


def _judge_of_union(alternatives: Sequence[Any]) -> Judge | None:
    kinds = [each for each in alternatives if each is not NoneType]
    if len(kinds) == 1:
        return judge_of(kinds[0])
    is_plain = all(isinstance(each, type) and issubclass(each, (*_TIMES, str)) for each in kinds)
    if not is_plain or not any(issubclass(each, _TIMES) for each in kinds):
        return None  # numbers are asked for, or nobody can tell for which alternative a value is
    return _judge_number if str in kinds else _judge_time


def _judge_number(value: Any) -> Any:
    is_number = isinstance(value, _NUMBERS) and not isinstance(value, bool)
    return NotTime() if is_number else value


def _judge_time(value: Any) -> Any:
    if isinstance(value, str) and _DIGITS.fullmatch(value):
        return NotTime()
    return _judge_number(value)


def _judge_items(value: Any, judge: Judge) -> Any:
    return {k: judge(each) for k, each in value.items()} if isinstance(value, dict) else value


def _judge_elements(value: Any, judge: Judge) -> Any:
    return [judge(each) for each in value] if isinstance(value, list) else value


class _ModelJudge:
    """Judges the fields of a model. They are looked at when the first value comes, because a model
    may contain itself."""

    def __init__(self, model: type[BaseModel]) -> None:
        self._model = model
        self._judges: dict[str, Judge] | None = None

    def __call__(self, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        if self._judges is None:
            self._judges = dict(_judges_of_fields(self._model))
        judges = self._judges
        return {k: judges[k](each) if k in judges else each for k, each in value.items()}


def _judges_of_fields(model: type[BaseModel]) -> list[tuple[str, Judge]]:
    validators = model.__pydantic_decorators__
    if any(each.info.mode != "after" for each in validators.model_validators.values()):
        return []  # it reads what was sent
    named = [
        name
        for each in validators.field_validators.values()
        if each.info.mode != "after"
        for name in each.info.fields
    ]
    found: list[tuple[str, Judge]] = []
    for name, field in model.model_fields.items():
        judge = judge_of(field.annotation, field.metadata)
        if judge is None or name in named or "*" in named:
            continue
        alias = field.validation_alias or field.alias
        names = {name, alias} if isinstance(alias, str) else {name}
        found += [(each, judge) for each in names]
    return found
