"""Ranges of PostgreSQL's in JSON: an object with both ends and whether they belong to it."""

from functools import cache
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, PlainSerializer, create_model
from sqlalchemy.dialects.postgresql import Range

from trivet.data.json_values import write_range

_NAMES = {
    "INT4RANGE": "IntegerRange",
    "INT8RANGE": "BigIntegerRange",
    "NUMRANGE": "DecimalRange",
    "DATERANGE": "DateRange",
    "TSRANGE": "LocalTimeRange",
    "TSTZRANGE": "InstantRange",
}


def range_annotation(kind: str, end: Any) -> Any:
    """What Pydantic reads and writes of ranges of a kind, whose ends are `end`."""
    model = _model(kind, end)

    def open_up(value: Any) -> Any:
        return write_range(value) if isinstance(value, Range) else value

    return Annotated[
        model,
        BeforeValidator(open_up),
        AfterValidator(_close),
        PlainSerializer(
            lambda value: model.model_construct(**write_range(value)), return_type=model
        ),
    ]


@cache
def _model(kind: str, end: Any) -> type[BaseModel]:
    fields: dict[str, Any] = {
        "lower": (end | None, None),
        "upper": (end | None, None),
        "bounds": (Literal["[)", "()", "[]", "(]"], "[)"),
        "empty": (bool, False),
    }
    return create_model(
        _NAMES.get(kind, kind),
        __config__={"extra": "forbid"},
        __doc__="What lies between two ends; one that is null is open.",
        **fields,
    )


def _close(value: Any) -> Any:
    if value.empty:
        return Range(empty=True)
    return Range(value.lower, value.upper, bounds=value.bounds)
