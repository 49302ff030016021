"""Commands that ask the processes of a server about their sockets, by the broker."""

import anyio

from trivet import Platform
from trivet.delivery.connection_states import ConnectionsRequest
from trivet.delivery.connections import ConnectionsOverview, find_connections
from trivet.delivery.recorded_controls import require_carried
from trivet.errors import NotFound, Unavailable
from trivet_deploy.counted import counted

CONNECT_SECONDS = 10.0
"""How long a command waits for its broker."""
ANSWER_SECONDS = 3.0
"""How long it waits for the processes; nobody's request waits meanwhile."""


async def ask_connections(
    platform: Platform, request: ConnectionsRequest | None = None
) -> ConnectionsOverview:
    """The connections in all processes. The platform's broker has been started.

    Raises ConfigurationError without a broker between processes, and Unavailable if it is away.
    """
    require_carried(platform.broker)
    with anyio.move_on_after(CONNECT_SECONDS):
        while not platform.broker.state.is_connected:  # noqa: ASYNC110  # it tells nobody
            await anyio.sleep(0.02)
    if not platform.broker.state.is_connected:
        kind = platform.broker.state.kind
        raise Unavailable(
            "broker", f"The broker ({kind}) does not answer, so the processes cannot be asked."
        )
    asked = request or ConnectionsRequest(limit=0)
    return await find_connections(
        platform.surveys, platform.database, asked, seconds=ANSWER_SECONDS
    )


async def find_owner(platform: Platform, client: str) -> str:
    """The number of the user whose connection `client` is; empty for nobody's.

    Raises NotFound if no process has it.
    """
    found = await ask_connections(platform, ConnectionsRequest(client=client))
    if not found.connections:
        asked = counted(found.asked, "process", "processes")
        missing = f" {len(found.missing)} of {asked} did not answer."
        detail = f"There is no connection {client}.{missing if found.missing else ''}"
        raise NotFound("no-such-connection", detail)
    return found.connections[0].user
