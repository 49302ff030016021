"""What this process tells of its connections (`trivet.delivery.connection_states`)."""

import heapq
import os
import re
import socket
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from fnmatch import translate

import msgspec

from trivet.delivery.connection_states import (
    ChannelState,
    ConnectionsRequest,
    ConnectionsResult,
    ConnectionState,
    ProcessState,
    SubscriptionState,
    first_connections,
)
from trivet_realtime.client import Client
from trivet_realtime.hub import Hub
from trivet_realtime.slices import in_slices
from trivet_realtime.subscription import State, Subscription

Matches = Callable[[str], object]

MOST_SUBSCRIPTIONS = 200
"""Of the one connection that is asked for."""
MOST_MATCHING = 3
"""Of each connection that is asked for by a channel."""


async def describe_connections(hub: Hub, request: str) -> Sequence[ConnectionsResult]:
    """Answer a `ConnectionsRequest`, in one part."""
    asked = msgspec.json.decode(request, type=ConnectionsRequest)
    matches: Matches = re.compile(translate(asked.channel or "*")).match
    found, matching = await _connections(hub, asked, matches)
    channels = () if asked.client else await _channels(hub, asked, matches)
    return [
        ConnectionsResult(
            process=await _process(hub),
            connections=first_connections(found, asked.limit),
            channels=heapq.nlargest(asked.limit, channels, key=_interest),
            matching_connections=matching,
            matching_channels=len(channels),
        )
    ]


async def _connections(
    hub: Hub, asked: ConnectionsRequest, matches: Matches
) -> tuple[list[ConnectionState], int]:
    """The connections that match, those of most interest among them, and how many there are."""
    found: list[ConnectionState] = []
    matching = 0
    if asked.names:
        return found, matching
    async for client in in_slices(hub.clients):
        if not client.is_connected or not _is_asked_for(client, asked):
            continue
        channels = list(_channels_of(client, asked, matches))
        if asked.channel and not channels:
            continue
        matching += 1
        found.append(_describe(hub, client, channels))
        if len(found) >= 2 * asked.limit + 100:
            found = list(first_connections(found, asked.limit))
    return found, matching


def _is_asked_for(client: Client, asked: ConnectionsRequest) -> bool:
    return asked.client in ("", client.id) and asked.user in ("", client.credential.user)


def _channels_of(
    client: Client, asked: ConnectionsRequest, matches: Matches
) -> Iterator[SubscriptionState]:
    """The subscriptions of `client` that were asked for."""
    if not asked.channel and not asked.client:
        return
    most = MOST_SUBSCRIPTIONS if asked.client else MOST_MATCHING
    for channel, subscription in client.subscriptions.items():
        if matches(channel):
            yield SubscriptionState(channel, _reached(subscription))
            most -= 1
            if not most:
                return


def _reached(subscription: Subscription) -> int | None:
    """The offset of what was sent last; None before anything could be."""
    match subscription.state:
        case State.FLOWING:
            return subscription.sent
        case State.APART | State.JUDGED:
            return subscription.reached
        case _:
            return None


def _describe(hub: Hub, client: Client, channels: Sequence[SubscriptionState]) -> ConnectionState:
    frames, size = client.outgoing.size
    return ConnectionState(
        node=hub.node,
        client=client.id,
        user=client.credential.user,
        username=client.identity.username,
        credential="token" if client.credential.is_token else client.identity.kind,
        since=client.since,
        subscriptions=len(client.subscriptions),
        waiting_frames=frames,
        waiting_bytes=size,
        behind=sum(map(_behind, client.subscriptions.values())),
        channels=channels,
    )


def _behind(subscription: Subscription) -> int:
    """The publications that are here and were not sent to a subscription, because it is slow."""
    if subscription.state is not State.APART:
        return 0
    return max(0, subscription.stream.offset - subscription.reached)


async def _channels(
    hub: Hub, asked: ConnectionsRequest, matches: Matches
) -> Collection[ChannelState]:
    names: Iterable[str] = asked.names or filter(matches, hub.channels)
    found = []
    async for name in in_slices(names):
        subscriptions = hub.subscribers(name)
        if subscriptions:
            found.append(await _describe_channel(name, subscriptions))
    return found


async def _describe_channel(name: str, subscriptions: Collection[Subscription]) -> ChannelState:
    slow = 0
    stream = next(iter(subscriptions)).stream
    subscribers = len(subscriptions)
    async for each in in_slices(subscriptions):
        slow += each.state is State.APART
    return ChannelState(channel=name, subscribers=subscribers, slow=slow, offset=stream.offset)


def _interest(channel: ChannelState) -> tuple[int, int]:
    return channel.slow, channel.subscribers


async def _process(hub: Hub) -> ProcessState:
    users, waiting, connections, subscriptions = set(), 0, 0, 0
    async for client in in_slices(hub.clients):
        users.add(client.credential.user)
        waiting += client.outgoing.size[1]
        connections += 1
        subscriptions += len(client.subscriptions)
    broker, relay = hub.platform.broker.state, hub.platform.relay.state
    return ProcessState(
        node=hub.node,
        host=socket.gethostname(),
        pid=os.getpid(),
        uptime_seconds=time.monotonic() - hub.started_at,
        connections=connections,
        users=len(users - {""}),
        subscriptions=subscriptions,
        channels=len(hub.channels),
        waiting_bytes=waiting,
        relay_failures=relay.failures,
        relay_lag_seconds=relay.lag_seconds,
        broker=broker.kind,
        broker_is_connected=broker.is_connected,
        broker_lag_seconds=broker.lag_seconds,
    )
