"""JSON as RFC 8259 has it, read in one way by every room.

Python's reader takes more than JSON is (NaN, Infinity, UTF-16), and what it cannot read it tells
by whatever error comes first. Of two equal names in an object it keeps the last without a word,
though nobody who sends both can know which counts (RFC 7493, 2.3, forbids it).
"""

import json
import math
from codecs import BOM_UTF8
from collections.abc import Sequence
from typing import Any, NoReturn

LONGEST_NAME = 60
"""Characters of a name that a sentence repeats."""


class JsonError(ValueError):
    """A text that is no JSON; its message says why, for people, without a dot."""


def read_json(text: str | bytes) -> Any:
    """The value that `text` is; bytes are UTF-8.

    Raises:
        JsonError: It is no UTF-8, no JSON, nested too deeply, or has the same name twice in an
            object, or a number that is too large for any.
    """
    try:
        if isinstance(text, bytes):
            text = text.removeprefix(BOM_UTF8).decode()  # the mark may be ignored (8.1)
        return _read(text)
    except JsonError:
        raise
    except json.JSONDecodeError as error:
        raise JsonError(f"{error.msg} at character {error.pos}") from error
    except UnicodeDecodeError as error:
        raise JsonError(f"it is not UTF-8 at byte {error.start}") from error
    except RecursionError as error:
        raise JsonError("it is nested too deeply") from error
    except ValueError as error:  # the only one left is about the length of a whole number
        raise JsonError("a number has too many digits") from error


def _constant(name: str) -> NoReturn:
    raise JsonError(f"{name} is no number of JSON's")


def _float(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise JsonError("a number is too large")
    return number


def _object(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in found if names.count(name) > 1)
        raise JsonError(f"an object has the name {json.dumps(twice[:LONGEST_NAME])} twice")
    return found


_read = json.JSONDecoder(
    parse_constant=_constant, parse_float=_float, object_pairs_hook=_object
).decode
