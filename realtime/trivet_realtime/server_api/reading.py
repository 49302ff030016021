"""The commands that read."""

import re
import time
from fnmatch import translate

from trivet_realtime import codes
from trivet_realtime.codes import CommandError
from trivet_realtime.commands.history import read_history
from trivet_realtime.commands.presence import stats_of
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


async def channels(call: Call, command: ChannelsCommand) -> ChannelsResult:
    """The channels that somebody is subscribed to."""
    if len(command.pattern) > MOST_CHARACTERS:
        raise CommandError(codes.BAD_REQUEST)
    expression = re.compile(translate(command.pattern or "*"))
    return ChannelsResult(
        {
            name: ChannelInfo(len(subscriptions))
            for name, subscriptions in call.hub.channels.items()
            if expression.match(name)
        }
    )


async def info(call: Call, _command: InfoCommand) -> InfoResult:
    """The processes, and what they have."""
    hub = call.hub
    users = {client.credential.user for client in hub.clients}
    subscriptions = sum(len(each) for each in hub.channels.values())
    clients = sum(1 for _ in hub.clients)
    uptime = int(time.monotonic() - hub.started_at)
    node = NodeInfo(
        hub.node,
        hub.platform.settings.name,
        hub.version,
        clients,
        len(users),
        subscriptions,
        len(hub.channels),
        uptime,
    )
    return InfoResult([node])
