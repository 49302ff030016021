"""Which tables are audited: all that do not say otherwise, and Django's users among them.

What guards them stands in `trivet.capture.tables`.
"""

from functools import lru_cache

from sqlalchemy.orm import configure_mappers

from trivet.audit.capture import is_audited
from trivet.capture.tables import CapturedTables, Claim, associations_of, faults_of, mappers
from trivet.errors import ConfigurationError
from trivet.models.base import Model

_AUDITED = Claim(
    "is audited",
    "that the audit trail does not see",
    """, or exempt the table by its info={"audit": "ignored"}""",
    is_audited,
)


def audited_tables() -> CapturedTables:
    """The tables that are audited at this moment."""
    return _tables_of(len(Model.metadata.tables))


@lru_cache(maxsize=1)
def _tables_of(_tables: int) -> CapturedTables:
    # Keyed by the number of tables: the metadata only ever grows.
    configure_mappers()
    linking = {table for each in mappers() for table, _ in associations_of(each)}
    every = Model.metadata.tables.values()
    return CapturedTables(filter(is_audited, every), filter(is_audited, linking))


def require_audited() -> None:
    """Raise ConfigurationError, naming every case, where the database would change audited
    rows by itself and no flush would see it."""
    configure_mappers()
    faults = faults_of(mappers(), _AUDITED)
    if faults:
        raise ConfigurationError("unaudited", " ".join(faults))
