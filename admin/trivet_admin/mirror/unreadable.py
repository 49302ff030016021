"""Values that are in the database and that the type of their column cannot read.

An older version of an application has left them, or somebody has written them by hand: a member of
an enum that is gone, a text that is no address. One of them must not take a whole list along, so a
page shows what is stored. The mapped class cannot load such a row, so nothing can be saved to it
until the value has been put right.
"""

import logging
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Self

from trivet.context import current_context
from trivet.errors import Conflict

logger = logging.getLogger(__name__)

_noted: deque[tuple[str, str]] = deque(maxlen=100)
"""The latest notes, by request and column: a page may show a hundred rows with such a value."""

UNREADABLE = (
    "The type of the column cannot read what is stored. Put it right in the database first."
)


class Unreadable(str):
    """The text of such a value."""

    __slots__ = ()

    @classmethod
    def of(cls, field: Any, raw: Any, error: Exception) -> Self:
        """The value `raw` of `field`, noted in the log: the first of a column in a request."""
        column = f"{field.model._meta.db_table}.{field.column}"
        context = current_context()
        noted = (context.request_id if context is not None else "", column)
        if noted not in _noted:
            _noted.append(noted)
            logger.warning("%s holds a value that its type cannot read: %s", column, error)
        return cls(raw)


_OF_NO_CLASS = "No such polymorphic_identity"
"""The beginning of what SQLAlchemy says of a row whose class nobody knows; pinned by a test."""


@contextmanager
def knowing_kinds(table: str) -> Iterator[None]:
    """Load rows of `table` within, or what goes with them. Raises Conflict if one is of a class
    that there is not."""
    try:
        yield
    except AssertionError as error:
        if not str(error).startswith(_OF_NO_CLASS):
            raise
        raise Conflict(
            "unknown-kind",
            f"A row of {table}, or one that goes with it, is of a class that there is not: "
            f"{error}. Put it right in the database first.",
        ) from error


@contextmanager
def loading(table: str) -> Iterator[None]:
    """Load rows of `table` within. Raises Conflict if a value of one cannot be read, or if one is
    of a class that there is not."""
    try:
        with knowing_kinds(table):
            yield
    except (LookupError, ValueError, TypeError, ArithmeticError) as error:
        raise Conflict(
            "unreadable-value",
            f"A row of {table} has a value that the type of its column cannot read: {error}. "
            "Put it right in the database first.",
        ) from error
