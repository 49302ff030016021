"""The connect command: the beginning of a session."""

from trivet_realtime import codes
from trivet_realtime.codes import Disconnected
from trivet_realtime.commands.session import Answer, Session
from trivet_realtime.protocol import ConnectRequest, ConnectResult

SERVER_VERSION = "trivet"
"""The server's name for clients, without a version number that would help an attacker."""


async def connect(session: Session, request: ConnectRequest) -> Answer:
    """Begin. Who the client is was established at the root, before the handshake."""
    hub, client = session.hub, session.client
    if client.is_connected:
        raise Disconnected(codes.MALFORMED)
    if request.token:
        # No token can be valid while none is issued; to ignore it would leave its bearer
        # with less than it believes to have.
        raise Disconnected(codes.INVALID_TOKEN)
    result = ConnectResult(
        client=client.id,
        version=SERVER_VERSION,
        ping=max(1, round(hub.bounds.ping_seconds)),
        pong=True,
        session=client.session,
        node=hub.node,
    )

    def begin() -> None:
        client.is_connected = True

    return Answer(result, begin)
