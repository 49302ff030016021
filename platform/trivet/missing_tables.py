"""Whether a database has not been migrated, by the error that says so.

Work at intervals meets such a database when a process starts before its migration: there is nothing
for it to do yet, and nothing to complain about that `/readyz` does not say.
"""

import sqlite3

from sqlalchemy.exc import DBAPIError

_UNDEFINED_SQLSTATES = {"42P01", "42703"}
"""undefined_table and undefined_column."""
_UNDEFINED = ("no such table", "no such column")
"""The same for SQLite, which has no codes for them."""


def lacks_table(error: BaseException) -> bool:
    """Whether the database lacks tables or columns of the models, so that it is not migrated."""
    driver = error.orig if isinstance(error, DBAPIError) else error
    if getattr(driver, "sqlstate", None) in _UNDEFINED_SQLSTATES:
        return True
    return isinstance(driver, sqlite3.OperationalError) and str(driver).startswith(_UNDEFINED)
