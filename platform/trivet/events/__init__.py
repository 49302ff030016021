"""The stream of events: what changed, told to whoever listens, in commit order.

A publication is a row, written in the transaction of the change it tells of. So there is
none without its change, and no change without it. See `trivet.events.outbox` for the
order, `trivet.delivery.relay` for the delivery.
"""

from trivet.events.feeds import Change, Publication, feed

__all__ = [
    "Change",
    "Publication",
    "feed",
]
