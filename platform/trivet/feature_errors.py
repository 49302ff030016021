"""The line of a feature's files behind an exception, and a cure for its author.

If a feature's file raises an exception while it is loaded, its author has to cure it. So the
message begins with the place: the file, the line, then the sentence. SQLAlchemy's errors of mapped
classes get the sentence of `trivet.models.mapping_errors`. Other exceptions are not changed.
"""

import traceback
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError

from trivet.errors import ConfigurationError
from trivet.models import mapping_errors
from trivet.source_files import shown

_SLIPS = (
    ("Policy.__call__() missing", "a policy is not called: write dependencies=[public], say."),
    (
        "'Policy' object is not iterable",
        "policies stand in a list: write dependencies=[requires('app.permission')].",
    ),
    (
        "'str' object has no attribute 'dependency'",
        "the name of a permission is no policy: write dependencies=[requires('app.permission')].",
    ),
)
"""What Python or FastAPI says of a policy that is written otherwise, and the cure."""


@contextmanager
def naming_lines(folders: Iterable[Path]) -> Iterator[None]:
    """Turn exceptions of a file in `folders` inside this block into a ConfigurationError that
    begins with the file and the line. Other exceptions are not changed."""
    try:
        yield
    except Exception as error:
        located = locate(error, folders)
        if located is None:
            raise
        raise located from error


def locate(error: Exception, folders: Iterable[Path]) -> ConfigurationError | None:
    """`error` as a refusal that begins with the line in `folders` that caused it.

    None if no line of them did, and nothing else is known about it.
    """
    places = find_places(error, tuple(folders))
    if not places:
        if isinstance(error, SQLAlchemyError):
            return ConfigurationError("mapping", mapping_errors.explain(error))
        return None
    path, line = _line_to_change(error, places)
    where = f"{shown(path)}:{line}: "
    if isinstance(error, ConfigurationError):
        # It already names a line if one file of a feature loads another.
        detail = error.detail if error.detail.startswith(shown(path)) else where + error.detail
        return ConfigurationError(error.code, detail, **error.data)
    return ConfigurationError("feature-file", where + _sentence(error, places[-1][0]))


def find_places(error: Exception, folders: tuple[Path, ...]) -> list[tuple[Path, int]]:
    """The lines of a feature that led to `error`, the one that raised it last."""
    if isinstance(error, SyntaxError) and error.filename:
        # The import system raises it, in no frame of the feature.
        return [(Path(error.filename), error.lineno or 1)]
    return [
        (Path(frame.filename), frame.lineno or 1)
        for frame in traceback.extract_tb(error.__traceback__)
        if any(Path(frame.filename).is_relative_to(folder) for folder in folders)
    ]


def _line_to_change(error: Exception, places: list[tuple[Path, int]]) -> tuple[Path, int]:
    raised_in = places[-1][0]
    if isinstance(error, SQLAlchemyError) and mapping_errors.is_imported_twice(error, raised_in):
        # The import by the second name, not the class.
        return next((place for place in reversed(places) if place[0] != raised_in), places[-1])
    return places[-1]


def _sentence(error: Exception, path: Path) -> str:
    if isinstance(error, SyntaxError):
        return f"this is no valid Python: {error.msg}."
    if isinstance(error, SQLAlchemyError):
        return mapping_errors.explain(error, path)
    if isinstance(error, ModuleNotFoundError) and error.name:
        return f"there is no module {error.name!r}: correct the import, or install what has it."
    if isinstance(error, ImportError):
        return f"{_circle_in(error) or error}."
    for words, cure in _SLIPS:
        if words in str(error):
            return cure
    return f"{type(error).__name__}: {error}. `trivet --debug check` shows the traceback."


def _circle_in(error: ImportError) -> str:
    """A cure for modules that import each other; empty for any other failure."""
    if "partially initialized module" not in str(error) or not error.name:
        return ""
    return (
        f"{error.name} is not fully loaded yet, because it imports this file, directly or not: "
        "move what both need into a third one"
    )
