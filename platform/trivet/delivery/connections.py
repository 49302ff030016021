"""The connections of sockets in all processes: who is connected, to what, and how far behind.

Each process describes what it has (`trivet.delivery.connection_states`). `find_connections` asks
all of them and puts their answers together. It adds what the database says of the channels.
"""

import heapq
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import msgspec

from trivet.data.database import Database
from trivet.delivery.connection_states import (
    CONNECTIONS,
    ChannelState,
    ConnectionsRequest,
    ConnectionsResult,
    ConnectionState,
    ProcessState,
    first_connections,
)
from trivet.delivery.surveys import ANSWER_SECONDS, Answers, Surveys
from trivet.events.outbox import ChannelTop, list_tops


@dataclass(frozen=True, slots=True)
class ChannelOverview:
    """One channel in all processes.

    Attributes:
        channel: Its name.
        subscribers: How many subscriptions it has.
        slow: How many of them are behind the others.
        offset: That of its last publication; 0 if it never had one.
        last_at: When that was committed (aware UTC); None if there is none, or none any more.
        behind: The publications that the slowest process has not delivered.
    """

    channel: str
    subscribers: int
    slow: int
    offset: int
    last_at: datetime | None
    behind: int


@dataclass(frozen=True, slots=True)
class ConnectionsOverview:
    """What all processes have told.

    Attributes:
        processes: Those that answered, by their names.
        missing: The names of those that did not answer in time.
        connections: Those that are furthest behind first, then the newest first.
        channels: Those with slow subscribers first, then those with most subscribers.
        matching_connections: How many there are in all.
        matching_channels: How many there are, or at least how many if `has_more_channels`.
        has_more_channels: Whether a process has more than it told.
        tops: What the database says of the channels that are mentioned, by their names.
    """

    processes: Sequence[ProcessState]
    missing: Sequence[str]
    connections: Sequence[ConnectionState]
    channels: Sequence[ChannelOverview]
    matching_connections: int
    matching_channels: int
    has_more_channels: bool
    tops: Mapping[str, ChannelTop]

    @property
    def asked(self) -> int:
        """How many processes should have answered, or have."""
        return len(self.processes) + len(self.missing)


async def find_connections(
    surveys: Surveys,
    database: Database,
    request: ConnectionsRequest,
    *,
    seconds: float = ANSWER_SECONDS,
) -> ConnectionsOverview:
    """Ask all processes for their connections.

    Args:
        surveys: The platform's surveys.
        database: The platform's database.
        request: What is asked for. Its limit counts for the overview too.
        seconds: How long the answers are waited for.

    Returns:
        The overview.
    """
    answers = await surveys.ask(CONNECTIONS, request, seconds=seconds)
    results = _read(answers)
    channels = merge_channels(results)
    names = heapq.nlargest(request.limit, channels, key=lambda name: _rank(channels[name]))
    matching = len(channels)
    has_more = any(each.matching_channels > len(each.channels) for each in results)
    if has_more:
        matching = max(matching, *(each.matching_channels for each in results))
    if has_more and names:
        # A process that has many did not tell what it has of the ones that others have told.
        again = ConnectionsRequest(names=names, limit=len(names))
        told = await surveys.ask(CONNECTIONS, again, seconds=seconds)
        channels = merge_channels(_read(told))
        names = [name for name in names if name in channels]
    connections = first_connections(
        (c for each in results for c in each.connections), request.limit
    )
    mentioned = {*names, *(each.channel for one in connections for each in one.channels)}
    async with database.unit(read_only=True) as session:
        tops = await session.run_sync(list_tops, mentioned)
    return ConnectionsOverview(
        processes=sorted((each.process for each in results), key=lambda each: each.node),
        missing=sorted(answers.missing),
        connections=connections,
        channels=[_overview_of(name, channels[name], tops.get(name)) for name in names],
        matching_connections=sum(each.matching_connections for each in results),
        matching_channels=matching,
        has_more_channels=has_more,
        tops=tops,
    )


def _read(answers: Answers) -> Sequence[ConnectionsResult]:
    return [_decode(part) for parts in answers.results.values() for part in parts]


_decode: Callable[[str], ConnectionsResult] = msgspec.json.Decoder(ConnectionsResult).decode


def merge_channels(
    results: Iterable[ConnectionsResult],
) -> Mapping[str, Collection[ChannelState]]:
    """What each process has of a channel, by the channel's name."""
    merged: dict[str, list[ChannelState]] = {}
    for result in results:
        for each in result.channels:
            merged.setdefault(each.channel, []).append(each)
    return merged


def _rank(states: Collection[ChannelState]) -> tuple[int, int]:
    return sum(each.slow for each in states), sum(each.subscribers for each in states)


def _overview_of(
    name: str, states: Collection[ChannelState], top: ChannelTop | None
) -> ChannelOverview:
    slow, subscribers = _rank(states)
    offset = 0 if top is None else top.offset
    return ChannelOverview(
        channel=name,
        subscribers=subscribers,
        slow=slow,
        offset=offset,
        last_at=None if top is None else top.last_at,
        # What was committed since the processes answered would be less than nothing behind.
        behind=max(0, offset - min(each.offset for each in states)),
    )
