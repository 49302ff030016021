"""The name that was probably meant by one that does not exist."""

import difflib
from collections.abc import Iterable


def did_you_mean(given: str, known: Iterable[str]) -> str:
    """The end of a sentence that refuses the name `given`: a full stop, and a question if a known
    name is similar."""
    close = difflib.get_close_matches(given, list(known), n=1)
    return f". Did you mean {close[0]}?" if close else "."
