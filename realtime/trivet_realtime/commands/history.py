"""The history command: what was published to a channel, and where it stands."""

from trivet.events import outbox
from trivet.events.outbox import Position
from trivet_realtime import codes
from trivet_realtime.codes import CommandError
from trivet_realtime.commands.session import Session
from trivet_realtime.hub import to_protocol
from trivet_realtime.protocol import HistoryRequest, HistoryResult


async def history(session: Session, request: HistoryRequest) -> HistoryResult:
    """Read a channel's publications, under the rule that governs subscribing to it."""
    hub = session.hub
    access = hub.rules.find_access(request.channel)
    most = hub.bounds.publications
    limit = most if request.limit < 0 else min(request.limit, most)
    since = request.since
    async with hub.open_unit(session.client, read_only=True) as unit:
        await access.require_in(unit)
        found = await unit.run(lambda db, _actor: outbox.find_position(db, request.channel))
        position = found or Position(epoch="", offset=0)
        if since is not None and since.epoch not in ("", position.epoch):
            raise CommandError(codes.UNRECOVERABLE_POSITION)
        rows = await unit.run(
            lambda db, _actor: outbox.list_after(
                db,
                request.channel,
                0 if since is None else since.offset,
                limit=limit,
                reverse=request.reverse,
            )
        )
    return HistoryResult(tuple(map(to_protocol, rows)), position.epoch, position.offset)
