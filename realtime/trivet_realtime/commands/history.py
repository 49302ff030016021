"""The history command: what was published to a channel, and where it stands."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial

from sqlalchemy.orm import Session as Database

from trivet.events import outbox
from trivet.events.outbox import Position, StoredPublication
from trivet_realtime import codes
from trivet_realtime.codes import CommandError
from trivet_realtime.commands.access import require_access
from trivet_realtime.commands.session import Session
from trivet_realtime.live_channels import own_epoch
from trivet_realtime.namespaces import Namespace
from trivet_realtime.protocol import HistoryRequest, HistoryResult, Since
from trivet_realtime.protocol.publications import to_protocol
from trivet_realtime.recovery import is_same_life

See = Callable[[Sequence[StoredPublication]], Sequence[StoredPublication]]
Read = Callable[..., Sequence[StoredPublication]]
PART, MOST_PARTS = 300, 10
"""Publications that are judged by one statement, and statements of one command."""


async def history(session: Session, request: HistoryRequest) -> HistoryResult:
    """Read a channel's publications, under the rule that governs subscribing to it."""
    async with session.hub.open_unit(session.client, read_only=True) as unit:
        access = await require_access(session, unit, request.channel, "history_policy")
        hub, identity = session.hub, session.client.identity
        live = hub.find_judged(request.channel, identity)
        return await unit.run(
            lambda db, _actor: read_history(
                db,
                request,
                access.namespace,
                hub.bounds.publications,
                kept_seconds=hub.kept_seconds,
                see=None if live is None else partial(live.show, db, identity),
            )
        )


def read_history(
    db: Database,
    request: HistoryRequest,
    namespace: Namespace,
    most: int,
    *,
    kept_seconds: float = 0.0,
    see: See | None = None,
) -> HistoryResult:
    """At most `most` publications, of those that `namespace` keeps for its channels; they are kept
    for `kept_seconds` in all. `see` says what the reader sees of some that follow one another.

    Raises CommandError (112) for a position in another life of the channel.
    """
    since = request.since
    position = outbox.find_position(db, request.channel)
    if since is not None and not _is_of(position, since, kept_seconds):
        raise CommandError(codes.UNRECOVERABLE_POSITION)
    limit = most if request.limit < 0 else min(request.limit, most)
    # Older publications are kept for others (retention is the installation's), but not for this.
    size = namespace.history_size
    oldest = 0 if size is None else max(0, position.offset - size)
    after = 0 if since is None else since.offset
    if not request.reverse:
        after = max(after, oldest)
    read = partial(outbox.list_after, db, request.channel, reverse=request.reverse)
    rows = read(after, limit=limit) if see is None else _read_seen(read, after, limit, see)
    kept = [row for row in rows if row.offset > oldest and _is_young(row, namespace)]
    return HistoryResult(tuple(map(to_protocol, kept)), position.epoch, position.offset)


def _read_seen(read: Read, after: int, limit: int, see: See) -> Sequence[StoredPublication]:
    """The first `limit` that the reader sees, of so many that a page of nothing tells no end."""
    seen: list[StoredPublication] = []
    for _ in range(MOST_PARTS):
        part = read(after, limit=PART) if len(seen) < limit else ()
        if not part:
            break
        seen += see(part)
        after = part[-1].offset
    return seen[:limit]


def _is_of(position: Position, since: Since, kept_seconds: float) -> bool:
    # Whoever was told it, here each publication is judged by itself.
    asked = Position(own_epoch(since.epoch), since.offset)
    return not since.epoch or is_same_life(position, asked, kept_seconds=kept_seconds)


def _is_young(row: StoredPublication, namespace: Namespace) -> bool:
    age = namespace.history_seconds
    return age is None or row.created_at >= datetime.now(UTC) - timedelta(seconds=age)
