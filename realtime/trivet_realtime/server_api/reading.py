"""The commands that read."""

import re
import time
from collections import Counter
from collections.abc import Mapping
from fnmatch import translate
from itertools import islice

import msgspec

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
    ChannelsResult,
    HistoryCommand,
    HistoryResult,
    InfoCommand,
    InfoResult,
    NodeInfo,
    PresenceResult,
    PresenceStatsResult,
)
from trivet_realtime.server_api.surveys import Answer, ask_others

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


MOST_CHANNELS = 5_000
"""Channels that a process tells, so that an answer fits into a message between processes."""


async def channels(call: Call, command: ChannelsCommand) -> ChannelsResult:
    """The channels that somebody is subscribed to, in any process."""
    if len(command.pattern) > MOST_CHARACTERS:
        raise CommandError(codes.BAD_REQUEST)
    found = Counter[str]()
    others = await ask_others(call.hub, "channels", command, ChannelsResult)
    for result in (list_channels(call.hub, command), *others):
        found.update({name: info.num_clients for name, info in result.channels.items()})
    return ChannelsResult({name: ChannelInfo(count) for name, count in found.items()})


def list_channels(hub: Hub, command: ChannelsCommand) -> ChannelsResult:
    """The channels of this process."""
    expression = re.compile(translate(command.pattern or "*"))
    matching = (
        (name, ChannelInfo(len(subscriptions)))
        for name, subscriptions in hub.channels.items()
        if expression.match(name)
    )
    return ChannelsResult(dict(islice(matching, MOST_CHANNELS)))


async def info(call: Call, command: InfoCommand) -> InfoResult:
    """The processes, and what they have."""
    others = await ask_others(call.hub, "info", command, InfoResult)
    return InfoResult(
        [*describe(call.hub).nodes, *(node for each in others for node in each.nodes)]
    )


def describe(hub: Hub) -> InfoResult:
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
    return InfoResult([node])


def _channels_here(hub: Hub, request: str) -> ChannelsResult:
    return list_channels(hub, msgspec.json.decode(request, type=ChannelsCommand))


ANSWERS: Mapping[str, Answer] = {
    "channels": _channels_here,
    "info": lambda hub, _request: describe(hub),
}
"""What this process answers to others."""
