"""INSERT of many rows: an array for each column in place of a parameter for each value.

SQLAlchemy writes ``INSERT … SELECT p0::VARCHAR, … FROM (VALUES (…), (…), …) AS imp_sen (p0, …,
sen_counter) ORDER BY sen_counter RETURNING id``, so that keys are taken in the order of the rows.
Only the ``VALUES`` is replaced here. Everything else stays SQLAlchemy's, which still assigns the
keys that come back to the rows.

An INSERT whose rows have something else than values (an expression of SQL), keys that the database
does not number, or values whose text their column would not read as the same (documents, arrays,
bytes) is left as it is.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from operator import itemgetter
from typing import Any, NamedTuple

from sqlalchemy.engine import Dialect

from trivet.data.bulk.columns import PARAMETER, arrays_of, unnested

FEWEST = 4
"""Rows for which an array is worth its text."""


class _Batch(NamedTuple):
    """What SQLAlchemy reads of a part of an INSERT."""

    replaced_statement: str
    replaced_parameters: dict[str, str]
    current_batch_size: int
    batchnum: int
    total_batches: int
    processed_setinputsizes: None = None
    rows_sorted: bool = True
    is_downgraded: bool = False


def insert_by_arrays(dialect: Dialect) -> None:
    """Have the engine of `dialect` send arrays, if it is one of psycopg's."""
    if dialect.driver not in ("psycopg", "psycopg_async"):
        return
    given: Any = dialect
    # The only place between the rows and their text; pinned by a test.
    deliver = given._deliver_insertmanyvalues_batches  # noqa: SLF001  # as just said
    given._deliver_insertmanyvalues_batches = partial(_deliver, deliver)  # noqa: SLF001  # here too


def _deliver(otherwise: Callable[..., Iterator[Any]], *arguments: Any) -> Iterator[Any]:
    """The parts of an INSERT; `arguments` are connection, cursor, statement, parameters, sizes and
    context."""
    _, cursor, statement, parameters, _, context = arguments
    batches = _batches_of(statement, parameters, context)
    if batches is None:
        yield from otherwise(*arguments)
        return
    if not context.compiled.effective_returning:
        yield from batches
        return
    found: list[Any] = []
    context._insertmanyvalues_rows = found  # noqa: SLF001  # where SQLAlchemy looks for them
    for batch in batches:
        yield batch
        # The last column is the key that the database has numbered, in the order of the rows.
        found.extend(sorted(context.fetchall_for_returning(cursor), key=itemgetter(-1)))


def _batches_of(
    statement: str, parameters: Sequence[dict[str, Any]], context: Any
) -> list[_Batch] | None:
    compiled = context.compiled
    values = compiled._insertmanyvalues  # noqa: SLF001  # the parts of the text
    if len(parameters) < FEWEST or not _is_plain(values, compiled):
        return None
    names = _names_of(values)
    place = f"(VALUES ({values.single_values_expr}))"
    if names is None or set(names) != set(parameters[0]) or statement.count(place) != 1:
        return None
    text = statement.replace(place, f"{unnested(names)} WITH ORDINALITY")
    size = context.execution_options.get(
        "insertmanyvalues_page_size", context.dialect.insertmanyvalues_page_size
    )
    parts = [parameters[first : first + size] for first in range(0, len(parameters), size)]
    batches = []
    for number, part in enumerate(parts, start=1):
        arrays = arrays_of(names, part, compiled)
        if arrays is None:
            return None
        batches.append(_Batch(text, arrays, len(part), number, len(parts)))
    return batches


def _is_plain(values: Any, compiled: Any) -> bool:
    """Whether the rows are numbered in the text, and by the database."""
    is_numbered = values.embed_values_counter and not values.is_default_expr
    is_returned = bool(compiled.effective_returning)
    return bool(
        is_numbered
        and not values.includes_upsert_behaviors
        and not compiled.schema_translate_map
        and (not is_returned or (values.num_sentinel_columns == 1 and values.implicit_sentinel))
    )


def _names_of(values: Any) -> list[str] | None:
    """The parameters of one row in their order; None if there is anything else in it."""
    names = []
    for _, _, expression, _ in values.insert_crud_params:
        found = PARAMETER.match(expression)
        rest = expression[found.end() :] if found else "?"
        if not found or (rest and not rest.startswith("::")) or "%(" in rest:
            return None
        names.append(found[1])
    return names
