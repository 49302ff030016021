"""The refusals of query strings and keys: every fault at once, each with its place."""

from collections.abc import Sequence
from typing import Literal

from trivet.errors import InputError, Invalid

UNKNOWN = "there is no parameter of this name"
REPEATED = "give one value; it stands here twice or more"
_LONGEST = 200
"""In characters; nobody needs more of a name to find it."""


class TextFault(ValueError):
    """A text that is none of the values that are meant; its message is a sentence without a dot."""


def input_error(name: str, detail: str, where: Literal["query", "path"] = "query") -> InputError:
    """One fault: `detail` about the parameter called `name`."""
    escaped = name[:_LONGEST].replace("~", "~0").replace("/", "~1")
    return {"in": where, "pointer": f"/{escaped}", "detail": detail}


def invalid(faults: Sequence[InputError]) -> Invalid:
    """The refusal that names all `faults`."""
    return Invalid("invalid", "The request does not fit. See errors.", errors=faults)
