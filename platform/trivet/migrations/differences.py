"""The differences between models and database, each in a sentence that names its table."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from alembic.operations import MigrateOperation
from sqlalchemy import Table

from trivet.features import Feature
from trivet.migrations.comparing import TYPES
from trivet.migrations.conversions import SENTENCE
from trivet.migrations.scope import tables_of

PLATFORM = "trivet"
"""The branch label of the platform's own revisions."""

OWN_PACKAGE = (
    "To have its revisions here, make a package {name} whose models.py says "
    'taken_from = "{package}", and name it in TRIVET_FEATURES.'
)
"""How a feature that has only classes gets a folder for revisions."""

_ADDED = "is in the models and not in the database"
_REMOVED = "is in the database and not in the models"


@dataclass(frozen=True, slots=True)
class Difference:
    """One difference; `owner` is the feature whose models the table belongs to, or
    ``trivet``."""

    sentence: str
    owner: str
    made_elsewhere: str = ""
    """The package of a feature without revisions of its own."""
    is_by_hand: bool = False
    """Whether no revision can be generated for it."""

    @property
    def cure(self) -> str:
        """The commands that make the database match the models."""
        if self.made_elsewhere:
            own = OWN_PACKAGE.format(name=self.owner, package=self.made_elsewhere)
            return f"change it as its application does. {own}"
        if self.is_by_hand:
            return "write a revision by hand, or let the models have it; then run `trivet migrate`"
        return f"run `trivet migrate --make {self.owner} -m …`, then `trivet migrate`"


def describe(
    found: Iterable[MigrateOperation],
    features: Sequence[Feature],
    unwritten: Iterable[tuple[str, str]] = (),
) -> list[Difference]:
    """A difference for each operation that would cure it, in Alembic's order, and for each of
    those, `unwritten`, that people have to cure."""
    owners = {table: each.name for each in features for table in tables_of(each.name)}
    pairs = [pair for operation in found for pair in _differences(operation)]
    elsewhere = {each.name: each.package for each in features if each.only_classes}

    def difference(table: str, said: str, *, is_by_hand: bool) -> Difference:
        owner = owners.get(table, PLATFORM)
        return Difference(said, owner, elsewhere.get(owner, ""), is_by_hand)

    return [
        *(difference(table, said, is_by_hand=False) for table, said in pairs),
        *(difference(table, f"{said}{_BY_HAND}", is_by_hand=True) for table, said in unwritten),
    ]


_BY_HAND = " (no revision can be generated for it: write one by hand)"


def _differences(operation: Any) -> Iterator[tuple[str, str]]:
    """The key of the table and the sentence of what an operation cures, which may hold several."""
    if hasattr(operation, "ops"):
        for part in operation.ops:
            yield from _differences_in(operation, part)
    else:
        yield from _sentences(operation.to_diff_tuple())


def _differences_in(change: Any, operation: Any) -> Iterator[tuple[str, str]]:
    told = operation.info.get(SENTENCE)
    if told is None:
        yield from _sentences(operation.to_diff_tuple(), operation.info.get(TYPES))
    elif told:
        yield _key(change.schema, change.table_name), told


def _sentences(difference: Any, types: tuple[str, str] | None = None) -> Iterator[tuple[str, str]]:
    """The key of the table and the sentence of a difference of Alembic's, which may be a list of
    several. `types` are the types of a column in better words than Alembic's."""
    if isinstance(difference, list):
        for part in difference:
            yield from _sentences(part, types)
        return
    kind, *rest = difference
    verb, _, what = kind.partition("_")
    if verb == "modify":
        schema, name, column, _, now, wanted = rest
        table = _key(schema, name)
        if what == "type" and types is not None:
            now, wanted = types
        change = f"has {what} {_text(now)} in the database and {_text(wanted)} in the models"
        yield table, f"the column {table}.{column} {change}"
    elif what == "column":
        schema, name, column = rest
        table = _key(schema, name)
        yield table, f"the column {table}.{column.name} {_side(verb)}"
    else:
        thing = rest[0]
        is_table = isinstance(thing, Table)
        table = str(thing.key if is_table else thing.table.key)
        name = table if is_table else _text(thing.name)
        of = "" if is_table else f" of {table}"
        yield table, f"the {_NAMES.get(what, what.replace('_', ' '))} {name}{of} {_side(verb)}"


def _key(schema: str | None, table: str) -> str:
    return f"{schema}.{table}" if schema else table


_NAMES = {"fk": "foreign key"}


def _side(verb: str) -> str:
    return _ADDED if verb == "add" else _REMOVED


def _text(value: Any) -> str:
    return "none" if value is None else str(getattr(value, "arg", value))
