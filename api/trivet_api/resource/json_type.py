"""The form of a column's values in JSON, and how a value that does not fit is refused."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pydantic_core import PydanticCustomError

Encoder = Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class JsonType:
    """How values are read and written. `encode` is None where msgspec writes them by itself as
    Pydantic does; `is_readable` and `is_writable` say whether a client may see and send them."""

    annotation: Any
    encode: Encoder | None = None
    is_readable: bool = True
    is_writable: bool = True


def unfit(why: str) -> PydanticCustomError:
    """The refusal of a value in Pydantic, in our words alone."""
    return PydanticCustomError("bad_value", "{why}", {"why": why})


UNKNOWN = JsonType(Any, is_readable=False, is_writable=False)
