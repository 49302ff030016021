"""Bodies of JSON, read as RFC 8259 has it and refused in one way.

Python's reader takes more than JSON is (NaN, Infinity, UTF-16), and what it cannot read it says by
whatever error comes first. Of two equal names in an object it keeps the last without a word, though
the one who sent both cannot know which counts (RFC 8259, 4, leaves that open; RFC 7493 forbids
it).
"""

import json
import math
from collections.abc import Sequence
from typing import Any, NoReturn

from fastapi import HTTPException, Request


class MalformedJsonError(HTTPException):
    """A body that is no JSON. FastAPI lets an HTTPException pass where it would turn any other
    into one of its own."""

    def __init__(self, reason: str) -> None:
        super().__init__(400, f"The body is no JSON: {reason}.")


class JsonRequest(Request):
    """A request whose body is read by `read_json`."""

    async def json(self) -> Any:
        if not hasattr(self, "_json"):
            self._json = read_json(await self.body())
        return self._json


def read_json(body: bytes) -> Any:
    """The value in a body.

    Raises:
        MalformedJsonError: It is no UTF-8, no JSON, nested too deeply, or has the same name twice
            in an object, or a number that is too large for any.
    """
    try:
        text = body.decode("utf-8-sig")  # a mark at the beginning may be ignored (RFC 8259, 8.1)
        return json.loads(
            text, parse_constant=_constant, parse_float=_float, object_pairs_hook=_object
        )
    except json.JSONDecodeError as error:
        raise MalformedJsonError(f"{error.msg} at character {error.pos}") from error
    except UnicodeDecodeError as error:
        raise MalformedJsonError(f"it is not UTF-8 at byte {error.start}") from error
    except RecursionError as error:
        raise MalformedJsonError("it is nested too deeply") from error
    except ValueError as error:  # the only one left is about the length of a whole number
        raise MalformedJsonError("a number has too many digits") from error


def _constant(name: str) -> NoReturn:
    raise MalformedJsonError(f"{name} is no number of JSON's")


def _float(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise MalformedJsonError("a number is too large")
    return number


def _object(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in found if names.count(name) > 1)
        raise MalformedJsonError(f"an object has the name {json.dumps(twice[:LONGEST_NAME])} twice")
    return found


LONGEST_NAME = 60
"""Characters of a name that a sentence repeats."""
