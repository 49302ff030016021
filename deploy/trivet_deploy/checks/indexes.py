"""Foreign keys without an index.

SQLAlchemy makes none for them, as Django does: the rows of a parent are then found by reading the
whole table, and so is what a deletion of the parent has to look for.
"""

from collections.abc import Iterable, Iterator

from sqlalchemy import ForeignKeyConstraint, Table, UniqueConstraint

from trivet.features import Feature
from trivet.models.owners import tables_of
from trivet.models.views import is_migrated


def find_missing_indexes(features: Iterable[Feature]) -> Iterator[str]:
    """A sentence for each foreign key of the tables of `features` that no index begins with."""
    for feature in features:
        for table in sorted(filter(is_migrated, tables_of(feature.name)), key=str):
            for key in sorted(table.foreign_key_constraints, key=_columns):
                if not any(_begins(columns, key) for columns in _indexed(table)):
                    yield (
                        f"{table.name}.{_columns(key)} refers to {key.referred_table.name} and has "
                        "no index: write mapped_column(…, index=True)"
                    )


def _indexed(table: Table) -> Iterator[list[str]]:
    yield [column.name for column in table.primary_key.columns]
    for constraint in table.constraints:
        if isinstance(constraint, UniqueConstraint):
            yield [column.name for column in constraint.columns]
    for index in table.indexes:
        yield [getattr(part, "name", "") for part in index.expressions]


def _begins(columns: list[str], key: ForeignKeyConstraint) -> bool:
    wanted = {column.name for column in key.columns}
    return set(columns[: len(wanted)]) == wanted


def _columns(key: ForeignKeyConstraint) -> str:
    return ", ".join(column.name for column in key.columns)
