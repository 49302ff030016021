"""Commands about clients that leave a note in the audit trail, whoever gives them.

The server API gives them, the admin, and commands. The note is written by the unit of work that
decides, and the message goes to all processes once that is committed.
"""

import msgspec
from sqlalchemy.orm import Session

from trivet.audit.entry import Entry, encode_changes
from trivet.broker import Broker
from trivet.data.session import TrivetSession
from trivet.delivery.controls import ClientControl
from trivet.errors import ConfigurationError, Invalid

SOCKET_TABLE = "trivet_socket"
"""By this name the audit trail knows connections, which have no table."""


def require_carried(broker: Broker) -> None:
    """Raise ConfigurationError if `broker` reaches no other process.

    A command asks before it tells the processes of a server anything.
    """
    if not broker.state.is_shared:
        raise ConfigurationError(
            "no-broker",
            "No broker joins this command and the servers, so they cannot be asked or told "
            "anything. Use PostgreSQL, or name a Redis or Valkey server: "
            "TRIVET_BROKER=redis://host:6379.",
        )


def record_disconnect(db: Session, user: str, client: str = "") -> ClientControl:
    """Note in the audit trail that connections are ended: all of `user`, or the one that `client`
    names.

    Args:
        db: The session of the unit that notes it.
        user: The number of the user; empty for somebody who is not logged in, if `client` is given.
        client: The id of the connection.

    Returns:
        The message for all processes. It is to be published once the unit is committed.

    Raises:
        Invalid: Neither a user nor a client is named.
    """
    if not user and not client:
        raise Invalid("disconnect", "Name the user or the client that is to be disconnected.")
    request = {"user": user, "client": client} if client else {"user": user}
    control = ClientControl("disconnect", msgspec.json.encode(request).decode())
    record_control(db, user or client, control)
    return control


def record_control(db: Session, key: str, control: ClientControl) -> None:
    """Note `control` in the audit trail, at `key`: the user, or the client, that it is about."""
    assert isinstance(db, TrivetSession)
    if db.capture.audit is not None:
        changes = encode_changes({control.method: {"to": control.request}})
        db.recorder.note(Entry(SOCKET_TABLE, key, "update", changes))
