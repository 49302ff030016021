"""Presence across processes: who is subscribed to a channel in a process elsewhere.

A process writes a row for each of its clients in a channel that keeps presence, and removes it when
the client leaves. The rows hold for as long as their process does: it renews one row of its own,
whatever the number of its clients. When it dies, that row runs out, and all its clients are gone
with it; whoever looks next removes them.

The rows of the processes are also the register of those that serve sockets, by which a survey
knows whose answers are missing (`trivet.delivery.surveys`).

An installation without a broker between processes writes nothing of this.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import ForeignKey, String, Text, delete, select, tuple_, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Mapped, Session, mapped_column

from trivet.events.feeds import CHANNEL_BYTES
from trivet.models.base import Model

RENEW_SECONDS = 20.0
"""The time between two renewals of a process."""
VALID_SECONDS = 60.0
"""The time after its last renewal for which a process is believed to live: two may be late."""
MOST_MEMBERS = 10_000
"""The clients of other processes that one answer holds."""


class PresenceNode(Model):
    """One process that serves sockets."""

    __tablename__ = "trivet_presence_node"
    __table_args__ = ({"info": {"audit": "ignored"}},)

    node: Mapped[str] = mapped_column(String(64), primary_key=True)
    expires_at: Mapped[datetime] = mapped_column(index=True)


class PresenceRow(Model):
    """One client in one channel. `info` is the client as others see it, as JSON."""

    __tablename__ = "trivet_presence"
    __table_args__ = ({"info": {"audit": "ignored"}},)

    channel: Mapped[str] = mapped_column(String(CHANNEL_BYTES), primary_key=True)
    client: Mapped[str] = mapped_column(String(64), primary_key=True)
    node: Mapped[str] = mapped_column(
        String(64), ForeignKey(PresenceNode.node, ondelete="CASCADE"), index=True
    )
    info: Mapped[str] = mapped_column(Text)


@dataclass(frozen=True, slots=True)
class Member:
    """A client that enters a channel."""

    channel: str
    client: str
    info: str


def renew(session: Session, node: str) -> bool:
    """Let what `node` has hold for another while, and remove what dead processes have.

    Returns:
        Whether `node` was not known. If it was once, others took it for dead, and removed all that
        it had.
    """
    connection = session.connection()
    now = datetime.now(UTC)
    until = now + timedelta(seconds=VALID_SECONDS)
    own = PresenceNode.node == node
    known = connection.execute(update(PresenceNode).where(own).values(expires_at=until)).rowcount
    if not known:
        _insert(session, PresenceNode, [{"node": node, "expires_at": until}])
    dead = select(PresenceNode.node).where(PresenceNode.expires_at < now)
    connection.execute(delete(PresenceRow).where(PresenceRow.node.in_(dead)))
    connection.execute(delete(PresenceNode).where(PresenceNode.expires_at < now))
    return not known


def enter(session: Session, node: str, members: Collection[Member]) -> None:
    """Note clients of `node`, which was renewed before, unless they are noted.

    Raises IntegrityError if others took `node` for dead meanwhile.
    """
    values = [
        {"node": node, "channel": each.channel, "client": each.client, "info": each.info}
        for each in members
    ]
    if values:
        _insert(session, PresenceRow, values)


def _insert(session: Session, model: type[Model], values: Sequence[Mapping[str, Any]]) -> None:
    connection = session.connection()
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    connection.execute(dialect.insert(model).on_conflict_do_nothing(), values)


def leave(session: Session, places: Collection[tuple[str, str]]) -> None:
    """Remove clients from channels; `places` are pairs of channel and client."""
    row = PresenceRow
    session.connection().execute(delete(row).where(tuple_(row.channel, row.client).in_(places)))


def leave_all(session: Session, node: str) -> None:
    """Remove every client of `node`, which stops."""
    connection = session.connection()
    connection.execute(delete(PresenceRow).where(PresenceRow.node == node))
    connection.execute(delete(PresenceNode).where(PresenceNode.node == node))


def list_nodes(session: Session) -> set[str]:
    """The processes that serve sockets and are believed to live.

    One that was killed is among them until its time has run out.
    """
    living = select(PresenceNode.node).where(PresenceNode.expires_at > datetime.now(UTC))
    return set(session.scalars(living))


def list_elsewhere(session: Session, channel: str, node: str) -> Mapping[str, str]:
    """The clients in `channel` of all living processes but `node`: their infos, by their ids."""
    query = (
        select(PresenceRow.client, PresenceRow.info)
        .join(PresenceNode, PresenceNode.node == PresenceRow.node)
        .where(PresenceRow.channel == channel, PresenceRow.node != node)
        .where(PresenceNode.expires_at > datetime.now(UTC))
        .limit(MOST_MEMBERS)
    )
    # A comprehension, because a row is no tuple for type checkers.
    return {client: info for client, info in session.execute(query)}  # noqa: C416
