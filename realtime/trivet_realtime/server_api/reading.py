"""The commands that read."""

import re
import time
from collections import Counter
from collections.abc import Sequence
from fnmatch import translate
from itertools import islice
from typing import TypeVar

import msgspec
from msgspec import Struct

from trivet.delivery.surveys import warn_of_missing
from trivet_realtime import codes
from trivet_realtime.codes import CommandError
from trivet_realtime.commands.history import read_history
from trivet_realtime.commands.presence import stats_of
from trivet_realtime.hub import Hub
from trivet_realtime.protocol import HistoryRequest
from trivet_realtime.server_api.call import Call
from trivet_realtime.server_api.messages import (
    ChannelCommand,
    ChannelInfo,
    ChannelsCommand,
    ChannelsPart,
    ChannelsResult,
    HistoryCommand,
    HistoryResult,
    InfoCommand,
    InfoResult,
    NodeInfo,
    PresenceResult,
    PresenceStatsResult,
)
from trivet_realtime.slices import in_slices

R = TypeVar("R", bound=Struct)

MOST_CHARACTERS = 255
"""Of a pattern, as of a channel."""


async def presence(call: Call, command: ChannelCommand) -> PresenceResult:
    """The clients that are subscribed to a channel."""
    _require_presence(call, command.channel)
    return PresenceResult(await call.hub.presence.members(command.channel))


async def presence_stats(call: Call, command: ChannelCommand) -> PresenceStatsResult:
    """How many clients and users are subscribed to a channel."""
    _require_presence(call, command.channel)
    stats = stats_of(await call.hub.presence.members(command.channel))
    return PresenceStatsResult(stats.num_clients, stats.num_users)


def _require_presence(call: Call, channel: str) -> None:
    if not call.hub.rules.find_namespace(channel)[1].presence:
        raise CommandError(codes.NOT_AVAILABLE)


async def history(call: Call, command: HistoryCommand) -> HistoryResult:
    """A channel's publications, and its position."""
    _, namespace = call.hub.rules.find_namespace(command.channel)
    request = HistoryRequest(command.channel, command.limit, command.since, command.reverse)
    most = call.hub.bounds.publications
    async with call.open_unit(read_only=True) as unit:
        found = await unit.run(lambda db, _actor: read_history(db, request, namespace, most))
    return HistoryResult(found.publications, found.epoch, found.offset)


PART_BYTES = 256 * 1024
"""The channels that one message between processes tells, as they are in it: a quarter of what a
broker carries."""


async def channels(call: Call, command: ChannelsCommand) -> ChannelsResult:
    """The channels that somebody is subscribed to, in any process.

    Raises CommandError (106) if there are too many in one of them: a part of them would be taken
    for all.
    """
    if len(command.pattern) > MOST_CHARACTERS:
        raise CommandError(codes.BAD_REQUEST)
    found = Counter[str]()
    for part in await _ask(call, "channels", command, ChannelsPart):
        if part.has_more:
            raise CommandError(codes.LIMIT_EXCEEDED)
        found.update({name: info.num_clients for name, info in part.channels.items()})
    return ChannelsResult({name: ChannelInfo(count) for name, count in found.items()})


async def list_channels(hub: Hub, request: str) -> Sequence[ChannelsPart]:
    """The channels of this process, in parts of which each fits into a message."""
    command = msgspec.json.decode(request, type=ChannelsCommand)
    matches = re.compile(translate(command.pattern or "*")).match
    names = list(islice(filter(matches, hub.channels), hub.bounds.listed_channels + 1))
    if len(names) > hub.bounds.listed_channels:
        return [ChannelsPart({}, has_more=True)]
    parts: list[dict[str, ChannelInfo]] = [{}]
    size = 0
    async for name in in_slices(names):
        size += _size(name)
        if size > PART_BYTES:
            parts.append({})
            size = _size(name)
        parts[-1][name] = ChannelInfo(len(hub.subscribers(name)))
    return [ChannelsPart(part) for part in parts]


def _size(name: str) -> int:
    """At most how long a channel is in a message: a quote or a backslash is escaped twice there."""
    escaped = name.count('"') + name.count("\\")
    return len(name) + 3 * escaped + len('\\"\\":{\\"num_clients\\":1000000},')


async def _ask(call: Call, method: str, command: Struct, kind: type[R]) -> Sequence[R]:
    """What the processes have answered, each part for itself, this process's own first."""
    surveys = call.hub.platform.surveys
    answers = await surveys.ask(method, command)
    warn_of_missing(answers, method)
    own_first = sorted(answers.results, key=lambda node: node != call.hub.node)
    results = (text for node in own_first for text in answers.results[node])
    return [msgspec.json.decode(text, type=kind) for text in results]


async def info(call: Call, command: InfoCommand) -> InfoResult:
    """The processes, and what they have."""
    told = await _ask(call, "info", command, InfoResult)
    return InfoResult([node for each in told for node in each.nodes])


async def list_info(hub: Hub, _request: str) -> Sequence[InfoResult]:
    """This process."""
    users = {client.credential.user for client in hub.clients}
    node = NodeInfo(
        uid=hub.node,
        name=hub.platform.settings.name,
        version=hub.version,
        num_clients=sum(1 for _ in hub.clients),
        num_users=len(users),
        num_subs=sum(len(each) for each in hub.channels.values()),
        num_channels=len(hub.channels),
        uptime=int(time.monotonic() - hub.started_at),
    )
    return [InfoResult([node])]
