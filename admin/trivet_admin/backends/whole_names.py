"""Names of tables and columns in SQL, whatever characters they have.

Somebody else's database may call a column ``100%`` or ``6" pipe``. Django puts a name between
quotes as it is: a quote within would end it, and the driver takes a percent sign for a parameter.
"""

from typing import Any

from django.db.models.expressions import Col


def quoted(name: str) -> str:
    """`name` between quotes, in a statement that is sent with parameters."""
    return '"' + name.replace('"', '""').replace("%", "%%") + '"'


class WholeNames:
    """Mixed into the operations of a database, before Django's."""

    def quote_name(self, name: str) -> str:
        """`quoted`, once: a name in quotes stands as it is, which is Django's rule."""
        return name if name.startswith('"') and name.endswith('"') else quoted(name)

    def prepare_join_on_clause(
        self, lhs_table: str, lhs_field: Any, rhs_table: str, rhs_field: Any
    ) -> tuple[Col, Col]:
        """Django's columns of a join."""
        return _JoinedCol(lhs_table, lhs_field), _JoinedCol(rhs_table, rhs_field)


class _JoinedCol(Col):
    """A column in the condition of a join, which Django formats once before it is sent."""

    def as_sql(self, compiler: Any, connection: Any) -> Any:
        sql, params = super().as_sql(compiler, connection)
        return sql.replace("%", "%%"), params
