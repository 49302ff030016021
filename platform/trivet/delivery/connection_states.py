"""What one process tells of its connections, channels and itself, for those who ask all of them.

The size is bounded: of many connections and channels a process tells those that are furthest
behind, and how many there are.
"""

import heapq
from collections.abc import Iterable, Sequence

from msgspec import Struct

CONNECTIONS = "connections"
"""The method of the survey."""
MOST_SHOWN = 100
"""Connections, and channels, that one answer holds: it has to fit into one message."""


class ConnectionsRequest(Struct, omit_defaults=True):
    """A question about connections. What is empty stands for all.

    Attributes:
        user: Only the connections of the user with this number.
        client: Only the connection of this id.
        channel: Only connections that are subscribed to this channel, and only channels like it; a
            pattern in the manner of file names.
        names: Only these channels, and no connections.
        limit: The connections, and the channels, that a process tells at most.
    """

    user: str = ""
    client: str = ""
    channel: str = ""
    names: Sequence[str] = ()
    limit: int = MOST_SHOWN


class SubscriptionState(Struct):
    """One subscription of a connection; `offset` is that of the last publication that was sent to
    it, and None while the subscription begins."""

    channel: str
    offset: int | None


class ConnectionState(Struct, kw_only=True):
    """One connection.

    Attributes:
        node: Its process.
        client: Its id.
        user: The number of its user; empty for nobody.
        username: The name of the user.
        credential: The kind of what it was authenticated by: ``session``, ``key`` or ``token``.
        since: When it began, in seconds since 1970.
        subscriptions: How many channels it is subscribed to.
        waiting_frames: How many frames wait for it.
        waiting_bytes: Their size, with what the network has not taken yet.
        behind: The publications that its process has and it has not been sent.
        channels: The subscriptions that were asked for: of one connection all, of a channel those.
    """

    node: str
    client: str
    user: str
    username: str
    credential: str
    since: float
    subscriptions: int
    waiting_frames: int
    waiting_bytes: int
    behind: int
    channels: Sequence[SubscriptionState] = ()


class ChannelState(Struct, kw_only=True):
    """One channel in one process; `slow` subscribers are behind the others, and `offset` is how far
    the process has delivered it."""

    channel: str
    subscribers: int
    slow: int
    offset: int


class ProcessState(Struct, kw_only=True):
    """One process that serves sockets.

    Attributes:
        node: Its name at the broker.
        host: The name of its machine.
        pid: Its number there.
        uptime_seconds: For how long it has served.
        connections: How many it has.
        users: How many different users they have.
        subscriptions: How many subscriptions they have.
        channels: To how many different channels.
        waiting_bytes: What waits for all of them.
        relay_failures: How often the relay has failed in a row to read what was committed.
        relay_lag_seconds: The age of the oldest publication in its last delivery; None before one.
        broker: The kind of its broker.
        broker_is_connected: Whether that carries messages now.
        broker_lag_seconds: How long the broker's last message to itself took; None before one.
    """

    node: str
    host: str
    pid: int
    uptime_seconds: float
    connections: int
    users: int
    subscriptions: int
    channels: int
    waiting_bytes: int
    relay_failures: int
    relay_lag_seconds: float | None
    broker: str
    broker_is_connected: bool
    broker_lag_seconds: float | None


class ConnectionsResult(Struct, kw_only=True):
    """What one process has. It tells the first `limit` connections and channels, and how many match
    the question."""

    process: ProcessState
    connections: Sequence[ConnectionState]
    channels: Sequence[ChannelState]
    matching_connections: int
    matching_channels: int


def first_connections(
    connections: Iterable[ConnectionState], limit: int
) -> Sequence[ConnectionState]:
    """The `limit` connections that are of most interest, in their order."""
    return heapq.nlargest(limit, connections, key=_interest)


def _interest(connection: ConnectionState) -> tuple[int, int, float]:
    return connection.behind, connection.waiting_bytes, connection.since
