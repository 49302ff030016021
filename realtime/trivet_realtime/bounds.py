"""How much of everything one connection may have."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Bounds:
    """The bounds of a connection; a test makes them small, an installation by its settings."""

    message_bytes: int = 64 * 1024
    """A message in; a larger one ends the connection."""
    queue_bytes: int = 1024 * 1024
    """The bound of what waits to be written to a client."""
    channels: int = 128
    """Subscriptions of a connection, its own and those that the server makes."""
    publications: int = 300
    """Publications in one recovery and in one history reply, and of a channel in memory."""
    listed_channels: int = 50_000
    """Channels of one process that the server API lists; more are refused."""
    recent_bytes: int = 64 * 1024 * 1024
    """What all channels together keep in memory, to answer those who come back."""
    connect_seconds: float = 10.0
    """How long a socket may stay open without a connect command."""
    ping_seconds: float = 25.0
    """Between two pings; sent to the client, which expects them in whole seconds."""
    pong_seconds: float = 10.0
    """How long the answer to a ping may take."""
    slow_seconds: float = 5.0
    """How long a client may take none of the bytes that wait for it, before it is too slow."""
    drain_seconds: float = 8.0
    """The longest time over which a stopping process spreads the end of its sockets."""
    grace_seconds: float = 25.0
    """How long a connection or a subscription outlives its token, while a newer one is fetched."""
    sight_seconds: float = 30.0
    """How often it is asked who sees every row of a live channel; a rule may go by the clock."""
    close_seconds: float = 3.0
    """How long the last words to a client may take, before it is left to itself."""

    @property
    def recovery_bytes(self) -> int:
        """The largest recovery: half a queue, so that it never is what makes a client slow.

        A client whose recovery overflowed its queue would be cut off, come back, and ask
        for the same recovery again.
        """
        return self.queue_bytes // 2
