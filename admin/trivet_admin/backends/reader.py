"""A session that only reads, on Django's connection: for what SQLAlchemy alone can say of rows that
Django has loaded, and for trials that leave nothing behind.

It works in a safe request too, which has no transaction. What is changed in it is never written.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connections
from sqlalchemy.orm import Session

from trivet_admin.backends.shared_connection import share


@contextmanager
def open_reader() -> Iterator[Session]:
    """A session that sees what the open transaction, if there is one, has written so far."""
    connection: Any = connections[DEFAULT_DB_ALIAS]
    connection.ensure_connection()
    connection.flush_shared()
    with share(connection.vendor, connection.connection) as borrowed:
        session = Session(bind=borrowed, autoflush=False)
        try:
            yield session
        finally:
            session.close()
