"""What a policy of PostgreSQL says about the rows of a table that belong to tenants.

It is a condition of SQL that reads the setting of the transaction (`trivet.rules.row_security`) and
the way from the row to its tenant. What depends on nothing of a row stands in a sub-select, which
PostgreSQL runs once for a statement. An equality of texts serves every kind of key.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import Table, inspect
from sqlalchemy.dialects import postgresql

from trivet.rules.row_security import SETTING
from trivet.rules.tenant_paths import TenantPath, path_of
from trivet.rules.tenants import InTenant

POLICY = "trivet_tenants"
"""The name of the policy of every table."""

_TENANTS = f"NULLIF(current_setting('{SETTING}', true), '')::text[]"
"""Without a setting NULL, which no condition takes for true. A setting that ended with its
transaction is empty."""

_quote: Callable[[str], str] = postgresql.dialect().identifier_preparer.quote  # type: ignore[no-untyped-call]  # SQLAlchemy's


@dataclass(frozen=True, slots=True)
class Policy:
    """The policy of a table.

    Attributes:
        using: Its condition, for rows that are read and for those that are written.
        reads: The keys of the other tables that it reads.
    """

    using: str
    reads: frozenset[str]


def policies_of(declared: Iterable[InTenant]) -> Mapping[str, Policy]:
    """The policy of each table, by the key of the table. Of several rules about one table all must
    hold."""
    found: dict[str, dict[str, frozenset[str]]] = {}
    for each in declared:
        for mapper in inspect(each.model).self_and_descendants:
            if isinstance(mapper.local_table, Table):
                steps = list(_steps(path_of(mapper, each.path), mapper.local_table))
                reads = {step.table.key for step in steps} - {mapper.local_table.key}
                condition = _condition(each.name, mapper.local_table, steps)
                found.setdefault(mapper.local_table.key, {})[condition] = frozenset(reads)
    return {
        key: Policy(" AND ".join(conditions), frozenset().union(*conditions.values()))
        for key, conditions in found.items()
    }


class _Step(NamedTuple):
    """A table, with the names of columns by which its row is found from that of the table before;
    the last one has the column that holds the key of the tenant."""

    table: Table
    pairs: Sequence[tuple[str, str]]
    key: str = ""


def _steps(way: TenantPath, table: Table) -> Iterator[_Step]:
    at = table
    for parent in way.parents:
        pairs: list[tuple[Any, Any]] = list(parent.local_remote_pairs or ())
        yield from _reach(at, pairs[0][0].table)
        at = pairs[0][1].table
        yield _Step(at, [(here.name, there.name) for here, there in pairs])
    columns: list[Any] = list(way.last.column_attrs[way.key].columns)
    key = next((each for each in columns if each.table is at), columns[-1])
    yield from _reach(at, key.table)
    yield _Step(key.table, [], key.name)


def _reach(at: Table, table: Table) -> Iterator[_Step]:
    """The step from a table to another one in which the same row is continued: a class inherits."""
    if at is not table:
        names = zip(at.primary_key.columns, table.primary_key.columns, strict=True)
        yield _Step(table, [(here.name, there.name) for here, there in names])


def _condition(name: str, table: Table, steps: Sequence[_Step]) -> str:
    opened = f"(SELECT {_TENANTS} && ARRAY['*', '{name}'])"
    return f"({opened} OR {_held(name, _quote(table.name), steps, 1)})"


def _held(name: str, row: str, steps: Sequence[_Step], depth: int) -> str:
    (table, pairs, key), *rest = steps
    if key:
        tenants = f"((SELECT {_TENANTS})::text[])"
        return f"('{name}=' || {row}.{_quote(key)}::text) = ANY {tenants}"
    alias = f"t{depth}"
    schema = f"{_quote(table.schema)}." if table.schema else ""
    same = [f"{alias}.{_quote(there)} = {row}.{_quote(here)}" for here, there in pairs]
    where = " AND ".join([*same, _held(name, alias, rest, depth + 1)])
    there = f"{schema}{_quote(table.name)} AS {alias}"
    return f"EXISTS (SELECT 1 FROM {there} WHERE {where})"  # noqa: S608  # names of mapped classes
