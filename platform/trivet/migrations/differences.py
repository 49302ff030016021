"""The differences between models and database, each in a sentence that names its table."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Table

from trivet.features import Feature
from trivet.migrations.scope import tables_of

PLATFORM = "trivet"
"""The branch label of the platform's own revisions."""

_ADDED = "is in the models and not in the database"
_REMOVED = "is in the database and not in the models"


@dataclass(frozen=True, slots=True)
class Difference:
    """One difference; `owner` is the feature whose models the table belongs to, or
    ``trivet``."""

    sentence: str
    owner: str

    @property
    def cure(self) -> str:
        """The commands that make the database match the models."""
        return f"run `trivet migrate --make {self.owner} -m …`, then `trivet migrate`"


def describe(found: Sequence[Any], features: Sequence[Feature]) -> list[Difference]:
    """The differences that Alembic finds, in its order."""
    owners = {table: each.name for each in features for table in tables_of(each.name)}
    pairs = (pair for difference in found for pair in _sentences(difference))
    return [Difference(sentence, owners.get(table, PLATFORM)) for table, sentence in pairs]


def _sentences(difference: Any) -> Iterator[tuple[str, str]]:
    """The table and the sentence of a difference, which may be a list of several."""
    if isinstance(difference, list):
        for part in difference:
            yield from _sentences(part)
        return
    kind, *rest = difference
    verb, _, what = kind.partition("_")
    if verb == "modify":
        _, table, column, _, now, wanted = rest
        change = f"has {what} {_text(now)} in the database and {_text(wanted)} in the models"
        yield table, f"the column {table}.{column} {change}"
    elif what == "column":
        _, table, column = rest
        yield table, f"the column {table}.{column.name} {_side(verb)}"
    else:
        thing = rest[0]
        table = thing if isinstance(thing, Table) else thing.table
        name = _text(thing.name)
        of = "" if thing is table else f" of {table.name}"
        yield table.name, f"the {_NAMES.get(what, what.replace('_', ' '))} {name}{of} {_side(verb)}"


_NAMES = {"fk": "foreign key"}


def _side(verb: str) -> str:
    return _ADDED if verb == "add" else _REMOVED


def _text(value: Any) -> str:
    return "none" if value is None else str(getattr(value, "arg", value))
