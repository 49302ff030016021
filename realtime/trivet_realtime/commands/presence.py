"""The presence commands: who is subscribed to a channel, and how many."""

from trivet_realtime import codes
from trivet_realtime.codes import CommandError
from trivet_realtime.commands.access import require_access
from trivet_realtime.commands.session import Session
from trivet_realtime.protocol import (
    ClientInfo,
    PresenceRequest,
    PresenceResult,
    PresenceStatsResult,
)


async def presence(session: Session, request: PresenceRequest) -> PresenceResult:
    """The clients that are subscribed, by their ids."""
    return PresenceResult(await _read(session, request))


async def presence_stats(session: Session, request: PresenceRequest) -> PresenceStatsResult:
    """How many clients are subscribed, and how many users these are."""
    return stats_of(await _read(session, request))


def stats_of(members: dict[str, ClientInfo]) -> PresenceStatsResult:
    """The numbers of clients and users."""
    return PresenceStatsResult(len(members), len({info.user for info in members.values()}))


async def _read(session: Session, request: PresenceRequest) -> dict[str, ClientInfo]:
    _, namespace = session.hub.rules.find_namespace(request.channel)
    if not namespace.presence:
        raise CommandError(codes.NOT_AVAILABLE)
    async with session.hub.open_unit(session.client, read_only=True) as unit:
        await require_access(session, unit, request.channel, "presence_policy")
    return await session.hub.presence.members(request.channel)
