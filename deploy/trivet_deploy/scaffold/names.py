"""The names of projects, features and models: which ones work, and what to take instead.

A feature is a package, an app of Django's, a segment of an address and a namespace of channels; a
model is a class in it. A name that one of these cannot take fails late and far from its cause. So
it is refused before there is a file.
"""

import builtins
import keyword
import re
import sys
from importlib.metadata import PackageNotFoundError, distribution
from importlib.util import find_spec
from pathlib import Path

from trivet.errors import Invalid
from trivet.features import RESERVED
from trivet.models.labels import in_words
from trivet.models.nouns import singular_of

_PROJECT = re.compile(r"[a-z][a-z0-9]*(?:[-_][a-z0-9]+)*")
_FEATURE = re.compile(r"[a-z][a-z0-9]*(?:_[a-z0-9]+)*")
_MODEL = re.compile(r"[A-Z][A-Za-z0-9]*")
MAX_NAME = 40
"""Characters of a feature's or a model's name: both together name tables and permissions, and a
permission of Django's has 100."""

_HOUSE = frozenset({"migrations", "new", "project", "scaffold", "tests", "var"})
"""Names that mean something else in the folder of a project."""
_IMPORTED = frozenset(
    {"Any", "BigInteger", "BigKey", "Column", "Decimal", "ForeignKey", "Identity", "Index"}
    | {"Mapped", "Model", "Numeric", "String", "Table", "Text", "UUID", "Versioned"}
)
"""Names that the ``models.py`` of a feature may import."""


def require_project_name(name: str) -> None:
    """Raise Invalid unless a project can be called `name`."""
    if not _PROJECT.fullmatch(name):
        raise Invalid(
            "name",
            f"{name!r} is no name of a project: write it in small letters, digits, - and _, like "
            "my-shop.",
        )
    if _is_installed(name):
        raise Invalid(
            "name", f"There is an installed package {name}: give the project another name."
        )


def _is_installed(name: str) -> bool:
    try:
        distribution(name)
    except PackageNotFoundError:
        return False
    return True


def require_feature_name(name: str, folder: Path) -> None:
    """Raise Invalid unless a feature in `folder` can be called `name`."""
    if not _FEATURE.fullmatch(name) or len(name) > MAX_NAME:
        raise Invalid(
            "name",
            f"{name!r} is no name of a feature: write it in small letters, like books or "
            f"spare_parts, with at most {MAX_NAME} of them.",
        )
    if reason := _why_taken(name, folder):
        raise Invalid("name", f"A feature cannot be called {name}: {reason}. Take another name.")


def _why_taken(name: str, folder: Path) -> str:
    if keyword.iskeyword(name):
        return "it is a word of Python's own"
    if name in RESERVED or name in _HOUSE or name.startswith("trivet"):
        return "Trivet, or Django, has something of that name"
    if name in sys.stdlib_module_names:
        return "it is a module of Python's own"
    if (folder / name).exists() or (folder / f"{name}.py").exists():
        return f"{name} is there already"
    if find_spec(name) is not None:
        return "it is an installed package"
    return ""


def model_name_of(feature: str) -> str:
    """What the first model of a feature is called: ``books`` has a ``Book``."""
    *words, last = feature.split("_")
    return "".join(each.capitalize() for each in (*words, singular_of(last)))


def read_model_name(given: str) -> str:
    """The name of a model as a class has it: ``flight_segment`` is ``FlightSegment``. Raises
    Invalid."""
    name = (
        given if given[:1].isupper() else "".join(w[:1].upper() + w[1:] for w in given.split("_"))
    )
    if not _MODEL.fullmatch(name) or len(name) > MAX_NAME:
        raise Invalid(
            "name", f"{given!r} is no name of a model: write it like Book or FlightSegment."
        )
    if name == "User":
        raise Invalid(
            "name",
            "A model cannot be called User: Trivet has the people who log in. Refer to them by "
            "owner:ref(user), or take another name, such as Member.",
        )
    if name in _IMPORTED or keyword.iskeyword(name) or hasattr(builtins, name):
        raise Invalid("name", f"A model cannot be called {name}: Python or Trivet has that name.")
    return name


def noun_of(model: str) -> str:
    """The name of one row in an identifier: ``flight_segment``."""
    return in_words(model).lower().replace(" ", "_")
