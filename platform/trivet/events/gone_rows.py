"""The rows that a transaction deletes, kept with what it publishes of rows that a rule judges.

A row rule may read other tables (``Project.members.any(…)``), and where their rows go in the same
transaction as the row itself, nobody could say afterwards who saw it. So each publication of a row
that was there before has them beside it: a JSON object with the rows of each table and the columns
that are known of all of them, or null where the rows are too many. Only the database reads it
(`trivet.delivery.gone_rows`).
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import msgspec
from sqlalchemy import Column, Table
from sqlalchemy.engine import Dialect
from sqlalchemy.orm import InstanceState, Mapper, RelationshipProperty

from trivet.capture.old_values import history_of
from trivet.capture.recorder import Recorder
from trivet.capture.tables import associations_of
from trivet.events.appending import NewPublication
from trivet.events.feeds import Kind
from trivet.events.stored_rows import as_json_text, is_storable, writer_of

COPIES_MAX = 2000
"""Rows of one table that a transaction keeps in all: each of its publications has its own copy."""


@dataclass(frozen=True, slots=True)
class GoneRow:
    """A row of `table` that was deleted: its values by the names of columns."""

    table: Table
    values: Mapping[str, Any]
    dialect: Dialect


def gone_rows_of(
    written: Iterable[tuple[InstanceState[Any], Kind]], recorder: Recorder, dialect: Dialect
) -> Iterator[GoneRow]:
    """The rows that a flush has deleted, those of links among them."""
    for table, values in _deleted(written, recorder):
        yield GoneRow(table, values, dialect)


def _deleted(
    written: Iterable[tuple[InstanceState[Any], Kind]], recorder: Recorder
) -> Iterator[tuple[Table, Mapping[str, Any]]]:
    for state, kind in written:
        if kind == "insert":
            continue
        if kind == "delete":
            old = recorder.old_row(state).values
            for table, names in _places_of(state.mapper).items():
                yield table, {name: old.get(key) for name, key in names.items()}
        for table, relationship in associations_of(state.mapper):
            if kind == "delete" or relationship.key in state.committed_state:
                for values in _cut(state, relationship, is_delete=kind == "delete"):
                    yield table, values


@cache  # classes stand in source code
def _places_of(mapper: Mapper[Any]) -> Mapping[Table, Mapping[str, str]]:
    """The columns of each table of a class by their names, with their attributes."""
    return {
        table: {
            column.name: attribute.key
            for attribute in mapper.column_attrs
            for column in attribute.columns
            if isinstance(column, Column) and column.table is table
        }
        for table in mapper.tables
        if isinstance(table, Table)
    }


def _cut(
    state: InstanceState[Any], relationship: RelationshipProperty[Any], *, is_delete: bool
) -> Iterator[Mapping[str, Any]]:
    """The links that are cut with a row that is deleted, or from one that stays."""
    history = history_of(state, relationship.key)
    cut = [*(history.unchanged if is_delete else ()), *history.deleted]
    for other in filter(None, cut):
        ends = (
            (relationship.synchronize_pairs, state.mapper, state.obj()),
            (relationship.secondary_synchronize_pairs, relationship.mapper, other),
        )
        yield {
            link.name: vars(end).get(mapper.get_property_by_column(column).key)
            for pairs, mapper, end in ends
            for column, link in pairs or ()
        }


def with_gone_rows(
    publications: Sequence[NewPublication], gone: Sequence[GoneRow]
) -> Sequence[NewPublication]:
    """`publications` of a transaction, with the rows that it deleted beside those of rows that were
    there before."""
    told = sum(each.row_before is not None for each in publications)
    if not gone or not told:
        return publications
    kept = _encode(gone, told)
    return [
        each if each.row_before is None else each._replace(rows_gone=kept) for each in publications
    ]


def _encode(gone: Sequence[GoneRow], copies: int) -> str:
    found: dict[str, list[GoneRow]] = {}
    for each in gone:
        found.setdefault(each.table.key, []).append(each)
    rows = {
        name: _kept(some) if len(some) * copies <= COPIES_MAX else None
        for name, some in found.items()
    }
    return msgspec.json.encode(rows, enc_hook=as_json_text).decode()


def _kept(some: Sequence[GoneRow]) -> Mapping[str, Any]:
    rows = [_plain(each) for each in some]
    # Of a link that a relationship has cut its ends are known, and no more.
    known = set[str](rows[0]).intersection(*rows)
    return {"columns": sorted(map(str, known)), "rows": rows}


def _plain(row: GoneRow) -> dict[str, Any]:
    return {
        column.name: writer_of(column, row.dialect)(row.values[column.name])
        for column in row.table.c
        if column.name in row.values and is_storable(column, row.dialect)
    }
