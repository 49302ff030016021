"""Counts of a list, for those who ask for one.

``exact`` counts. ``planned`` is what PostgreSQL's planner expects, which costs next to nothing on
any number of rows. The planner knows all rows; so where a rule of visibility stands in the
statement its estimate would tell of rows that the actor may not see, and the rows are counted, up
to `COUNTED`. SQLite, which estimates nothing, does so too.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sqlalchemy import ClauseElement, ColumnElement, Connection, Executable, func, literal, select
from sqlalchemy.ext.compiler import compiles

from trivet_api.resource.asking import Asked
from trivet_api.resource.rows import Members
from trivet_api.resource.statements import Statements

Condition = ColumnElement[bool]
COUNTED = 10_000
"""Rows: where a planned count that has to count stops."""
GROUPS = 100
"""Values of a group that are counted, the most frequent first."""


class Explain(Executable, ClauseElement):
    """What PostgreSQL plans for a statement."""

    inherit_cache = False

    def __init__(self, statement: Any) -> None:
        self.statement = statement


@compiles(Explain, "postgresql")
def _explain(element: Explain, compiler: Any, **options: Any) -> str:
    return f"EXPLAIN (FORMAT JSON) {compiler.process(element.statement, **options)}"


class Counts:
    """The counts of a resource."""

    def __init__(self) -> None:
        self._statements: Statements[Any] = Statements()

    def count(self, connection: Connection, asked: Asked) -> int:
        """The number of rows of a list, as its query wants it."""
        if asked.query.count == "exact":
            return int(self._ask(connection, asked, "exact", _exact).scalar_one())
        is_restricted = any(asked.sight.restrict(each) is not None for each in asked.models)
        if is_restricted or not asked.is_postgresql:
            return int(self._ask(connection, asked, "bounded", _bounded).scalar_one())
        statement = Explain(select(literal(1)).select_from(asked.model).where(*asked.conditions()))
        plan = connection.execute(statement, asked.values()).scalar_one()
        return int(plan[0]["Plan"]["Plan Rows"])

    def groups(self, connection: Connection, asked: Asked) -> Mapping[str, Members]:
        """The numbers of rows by the values of each attribute that the query wants."""
        found: dict[str, Members] = {}
        for name in asked.query.groups:
            field = asked.options.fields[name]

            def make(asked: Asked, column: Any = field.attribute) -> Any:
                return _grouped(column, asked.conditions())

            rows = self._ask(connection, asked, f"by {name}", make).all()
            items = [{"value": field.encode(value), "count": count} for value, count in rows]
            found[name] = Members(items[:GROUPS], has_more=len(items) > GROUPS)
        return found

    def _ask(
        self, connection: Connection, asked: Asked, kind: str, make: Callable[[Asked], Any]
    ) -> Any:
        statement, values = self._statements.find(
            (kind, asked.shape), asked.sight, asked.models, lambda: make(asked)
        )
        return connection.execute(statement, values | asked.values())


def _exact(asked: Asked) -> Any:
    return select(func.count()).select_from(asked.model).where(*asked.conditions())


def _bounded(asked: Asked) -> Any:
    rows = select(literal(1).label("one")).select_from(asked.model).where(*asked.conditions())
    return select(func.count()).select_from(rows.limit(COUNTED).subquery())


def _grouped(column: Any, conditions: Sequence[Condition]) -> Any:
    number = func.count()
    return (
        select(column, number)
        .where(*conditions)
        .group_by(column)
        .order_by(number.desc(), column.nulls_last())  # as lists have it
        .limit(GROUPS + 1)
    )
