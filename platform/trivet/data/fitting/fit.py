"""What a fit is: one function from a value to the value that a column holds."""

from collections.abc import Callable
from typing import Any

from sqlalchemy import ClauseElement

Fit = Callable[[Any], Any]
"""Gives the value that will be read back, the same object if it is that already. Raises
`UnfitError` with a sentence for any other. It is never asked about None."""


class UnfitError(ValueError):
    """A value that a column cannot hold; its text is a sentence for people, without a dot."""


def is_expression(value: Any) -> bool:
    """Whether the database is to work out the value."""
    return isinstance(value, ClauseElement) or hasattr(value, "__clause_element__")
