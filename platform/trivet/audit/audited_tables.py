"""The audited tables: all tables that do not say otherwise, Django's users among them.

`trivet.capture.tables` guards them.
"""

from functools import lru_cache
from typing import Any

from sqlalchemy import Table
from sqlalchemy.orm import Mapper, configure_mappers

from trivet.audit.capture import is_audited, table_of
from trivet.capture.following import follow, is_followed
from trivet.capture.tables import CapturedTables, CaptureReason, associations_of, faults_of
from trivet.models.mapped import every_mapper, known_classes, our_mappers, our_tables
from trivet.models.views import is_view

_AUDITED = CaptureReason(
    "is audited",
    "that the audit trail does not see",
    """, or exempt the table by its info={"audit": "ignored"}""",
    is_audited,
)


WHICH_IS_AUDITED = 'which is audited (one that needs no trail says info={"audit": "ignored"})'
"""The words about a table whose change the trail would not see, with the way out."""


def audited_tables() -> CapturedTables:
    """The tables that are audited at this moment."""
    return _tables_of(known_classes())


@lru_cache(maxsize=1)
def _tables_of(_known: tuple[int, int]) -> CapturedTables:
    configure_mappers()
    mappers = list(every_mapper())
    linking = {table for each in mappers for table, _ in associations_of(each)}
    mapped = {table for each in mappers for table in each.tables if isinstance(table, Table)}
    every = mapped.union(our_tables())
    # What is written to a view is written to other tables.
    guarded = (each for each in every if is_audited(each) or is_view(each))
    return CapturedTables(guarded, filter(is_audited, linking))


def follow_audited() -> None:
    """Have sessions do first what the database would do to audited rows by itself."""
    configure_mappers()
    follow(our_mappers(), _AUDITED)


def why_not_audited(mapper: Mapper[Any]) -> str | None:
    """Why rows of this class cannot be audited whole, with the cure; None if they can."""
    table = mapper.local_table
    if not isinstance(table, Table):
        return (
            f"{mapper.class_.__name__} is mapped to several tables as one, and the audit trail "
            "notes rows of tables. Write through classes that are mapped to one table each."
        )
    is_seen = is_followed(mapper) or table_of(mapper) is None
    faults = () if is_seen else faults_of([mapper], _AUDITED)
    return " ".join(faults) or None
