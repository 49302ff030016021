"""Work across tenants: the part of a service that is not its caller's."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy.orm import Session

from trivet.errors import ConfigurationError
from trivet.rules.tenant_changes import ACROSS, TELL, WAS_ACROSS


@contextmanager
def across_tenants(db: Session) -> Iterator[None]:
    """A part of a service that works across tenants, whoever calls it.

    Inside the block changes are not judged by tenants, and PostgreSQL shows all rows. What the
    actor sees (`select_visible`) stays what it is. At the end of the block its changes are flushed,
    and the tenants of the actor are asked anew: whoever has just become a member is one.

    Args:
        db: The session of a unit of work.

    Raises:
        ConfigurationError: The session is none of Trivet's.
    """
    session: Any = db
    if not hasattr(session, "capture"):
        raise ConfigurationError(
            "rule", f"A {type(db).__name__} knows no tenants: use the session of a unit of work."
        )
    _flush(session)
    before = session.info.get(ACROSS, False)
    session.info[ACROSS] = session.info[WAS_ACROSS] = True
    try:
        _tell(session)
        yield
        _flush(session)
    finally:
        session.info[ACROSS] = before
        _tell(session)


def _flush(session: Any) -> None:
    if not session.read_only:
        session.flush()


def _tell(session: Any) -> None:
    """Let PostgreSQL know, if it asks. A transaction that has not begun begins: the other ORM may
    be the first that asks something in it."""
    if not session.capture.rules.tenants.secures or session.dialect.name != "postgresql":
        return
    tell = session.info.get(TELL)
    if tell is not None:
        tell()
    elif session.info.get(ACROSS):
        session.connection()
