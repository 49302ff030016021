"""The stream of events: what changed, told to whoever listens, in commit order.

A publication is a row, written in the transaction of the change it tells of. So there is
none without its change, and no change without it. See `trivet.events.outbox` for the
order, `trivet.delivery.relay` for the delivery.
"""

from trivet.events.feeds import Change, FeedRegistry, Publication, feed
from trivet.events.outbox import Position, StoredPublication
from trivet.events.wake_up import WakeUp

__all__ = [
    "Change",
    "FeedRegistry",
    "Position",
    "Publication",
    "StoredPublication",
    "WakeUp",
    "feed",
]
