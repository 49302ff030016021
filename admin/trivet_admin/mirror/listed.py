"""Collections of rows as a page shows them: the texts of the rows, one after the other.

Django shows a list in a cell so, and in a form by its `repr`, which is for developers. A row that
SQLAlchemy has loaded is called as its mirror would be, also if its class has no text of its own.
"""

from collections import UserDict, UserList
from collections.abc import Iterable, Iterator
from typing import Any

from sqlalchemy import inspect

from trivet.models.labels import noun_of_rows
from trivet.models.row_keys import key_text
from trivet_admin.mirror.texts import has_text


class Listed:
    """Mixed into a collection."""

    def __str__(self) -> str:
        return ", ".join(self._texts())

    def _texts(self) -> Iterator[str]:
        assert isinstance(self, Iterable)
        return map(text_of_row, self)


class ListedRows(Listed, UserList[Any]):
    """No `list`, of which Django would join what `str` says of each."""


class ListedSet(Listed, set[Any]):
    pass


class ListedByKey(Listed, UserDict[Any, Any]):
    def _texts(self) -> Iterator[str]:
        return (f"{key}: {text_of_row(row)}" for key, row in self.items())


def listed(value: Any) -> Any:
    """A collection with a text for pages; anything else as it is."""
    match value:
        case dict():
            return ListedByKey(value)
        case set() | frozenset():
            return ListedSet(value)
        case list() | tuple():
            return ListedRows(value)
        case _:
            return value


def listed_rows(value: Any) -> Any:
    """As `listed`, of a collection in which there are rows."""
    match value:
        case dict():
            each: Iterable[Any] = value.values()
        case set() | frozenset() | list() | tuple():
            each = value
        case _:
            return value
    return listed(value) if any(_is_row(one) for one in each) else value


def _is_row(value: Any) -> bool:
    return inspect(value.__class__, raiseerr=False) is not None


def text_of_row(value: Any) -> str:
    """The text of a mapped object, or of anything else."""
    mapped = type(value)
    mapper: Any = inspect(mapped, raiseerr=False)
    state: Any = None if mapper is None or has_text(mapped) else inspect(value)
    if state is None or state.identity is None:
        return str(value)
    return f"{noun_of_rows(mapper)} {key_text(state.identity)}"
