"""Whether a mapped class has a text for its objects: one that its author wrote for people."""

from inspect import unwrap
from typing import Any

from trivet.models import Model

MISSING = object()


def find_own(mapped: type[Any], name: str) -> Any:
    """What the mapped class itself has by this name."""
    found = (vars(cls)[name] for cls in mapped.__mro__[:-1] if name in vars(cls))
    return next(found, MISSING)


def has_text(mapped: type[Any]) -> bool:
    """Whether somebody wrote a text for the objects of the mapped class."""
    return find_text_method(mapped) is not None


def find_text_method(mapped: type[Any]) -> str | None:
    """The method that gives the text of an object, if somebody wrote one."""
    return next((each for each in ("__str__", "__repr__") if _is_written(mapped, each)), None)


def _is_written(mapped: type[Any], name: str) -> bool:
    """Whether the author of the class wrote this method: that of every `Model` is for developers,
    and those that dataclasses and pydantic make list every column with its value, which is too long
    for a line and tells secrets."""
    method = unwrap(find_own(mapped, name))
    if method is Model.__repr__:
        return False
    code = getattr(method, "__code__", None)
    if code is None:
        return method is not MISSING
    library = str(method.__module__).partition(".")[0]
    return bool(code.co_filename != _GENERATED and library != "pydantic")


_GENERATED = "<string>"
"""The file of code that was compiled from a text."""
