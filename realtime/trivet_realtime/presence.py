"""Presence: who is subscribed to a channel, and who comes and goes.

What a process knows of its own clients needs no table: a subscription that has begun is present,
and one that has ended is not.
"""

from typing import TYPE_CHECKING

from trivet_realtime.frames import Frame
from trivet_realtime.protocol import ClientInfo, encode_join, encode_leave

if TYPE_CHECKING:
    from trivet_realtime.hub import Hub
    from trivet_realtime.subscription import Subscription


class Presence:
    """The subscribers of channels; used on the event loop only."""

    def __init__(self, hub: "Hub") -> None:
        self._hub = hub

    def enter(self, subscription: "Subscription") -> None:
        """Note that a subscription has begun, and tell the others. Its reply is on its way."""
        grant = subscription.grant
        assert grant is not None
        if subscription.is_over or not (grant.presence or grant.join_leave):
            return
        subscription.info = subscription.client.info(grant.info)
        if grant.join_leave:
            frame = Frame(encode_join(subscription.channel, subscription.info))
            self._hub.push_everywhere(subscription.channel, frame)

    def leave(self, subscription: "Subscription") -> None:
        """Note that a subscription has ended, and tell the others."""
        info, subscription.info = subscription.info, None
        grant = subscription.grant
        if info is not None and grant is not None and grant.join_leave:
            frame = Frame(encode_leave(subscription.channel, info))
            self._hub.push_everywhere(subscription.channel, frame)

    async def members(self, channel: str) -> dict[str, ClientInfo]:
        """The clients that are subscribed to `channel`, by their ids."""
        return {
            each.client.id: each.info
            for each in self._hub.subscribers(channel)
            if each.info is not None and each.grant is not None and each.grant.presence
        }
