"""Errors of one among several rows, and the place in a body that they are about."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from trivet.data.errors import explain
from trivet.errors import Invalid, TrivetError, errors_at


class ItemError(Exception):
    """The row number `index` of several was refused with `error`."""

    def __init__(self, index: int, error: TrivetError) -> None:
        super().__init__(error.detail)
        self.index = index
        self.error = error


@contextmanager
def item(index: int) -> Iterator[None]:
    """Say of every refusal inside the block that it is about the row number `index`."""
    try:
        yield
    except ItemError:
        raise
    except Exception as error:
        meaning = explain(error)
        if meaning is None:
            raise
        raise ItemError(index, meaning) from error


@contextmanager
def only_item() -> Iterator[None]:
    """Raise the error itself, where there is one row alone."""
    try:
        yield
    except ItemError as error:
        raise error.error from error.__cause__


_PARTS = {("path", "/key"): "/key", ("header", "/if-match"): "/if_match"}
"""What the address and the head of a request say of one row, and an item says beside its values."""


def at(error: TrivetError, *path: str | int, part: str = "") -> TrivetError:
    """`error` with its faults at `path` in the body, those of values in the `part` of it that has
    them."""
    prefix = "".join(f"/{each}" for each in path)
    values = f"{prefix}/{part}" if part else prefix
    faults: Sequence[Any] = error.data.get("errors") or [{"pointer": "", "detail": error.detail}]
    error.data = {**error.data, "errors": [_moved(each, prefix, values) for each in faults]}
    return error


def _moved(fault: Any, item: str, values: str) -> Any:
    place = fault.get("in")
    if not place:
        return {**fault, "pointer": f"{values}{fault['pointer']}"}
    beside = _PARTS.get((place, fault["pointer"]))
    if beside is None:
        return fault
    return {"pointer": f"{item}{beside}", "detail": fault["detail"]}


def unknown(names: Sequence[str]) -> Invalid:
    """The refusal of names that a client may not send, in Pydantic's words for such names."""
    faults = errors_at(names, "Extra inputs are not permitted")
    return Invalid("invalid", "The request does not fit. See errors.", errors=faults)
