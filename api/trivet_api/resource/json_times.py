"""Times in JSON: instants, clocks and calendars without a zone, and spans, as ISO 8601 has them.

A number is none of them (docs/decisions/0080).
"""

import datetime as dt
import re
from decimal import Decimal
from typing import Annotated, Any

from pydantic import AfterValidator, AwareDatetime, BeforeValidator, PlainSerializer, WithJsonSchema

from trivet.data.json_values import write_span
from trivet_api.resource.json_type import JsonType, unfit

_DIGITS = re.compile(r"\s*[+-]?\d+(\.\d*)?\s*")


def _refuse_number(value: Any) -> Any:
    """A number is no time since 1970 (docs/decisions/0080)."""
    is_number = isinstance(value, int | float | Decimal)
    if is_number or (isinstance(value, str) and _DIGITS.fullmatch(value)):
        raise unfit("write it as ISO 8601 does; a number is none")
    return value


_no_number = BeforeValidator(_refuse_number)


def _in_utc(value: dt.datetime) -> dt.datetime:
    try:
        return value.astimezone(dt.UTC)
    except OverflowError:
        raise unfit("in UTC it is not in the years 1 to 9999") from None


INSTANT = JsonType(Annotated[AwareDatetime, _no_number, AfterValidator(_in_utc)])
WALL_TIME = JsonType(
    Annotated[
        dt.datetime,
        _no_number,
        WithJsonSchema({"type": "string", "format": "date-time-local"}),
    ]
)
"""Formats of OpenAPI's registry: ``date-time`` and ``time`` of JSON Schema ask for a zone."""
DAY = JsonType(Annotated[dt.date, _no_number])
TIME = JsonType(
    Annotated[dt.time, _no_number, WithJsonSchema({"type": "string", "format": "time-local"})]
)
ZONED_TIME = JsonType(Annotated[dt.time, _no_number])
SPAN = JsonType(
    Annotated[
        dt.timedelta,
        _no_number,
        PlainSerializer(write_span, return_type=str, when_used="json"),
        WithJsonSchema({"type": "string", "format": "duration"}),
    ],
    write_span,
)
