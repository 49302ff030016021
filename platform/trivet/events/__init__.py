"""The stream of events: committed changes reach subscribers in the order of the commits.

A publication is a row that is written in the transaction of the change that it reports. So no
publication exists without its change, and no change without its publication. See
`trivet.events.outbox` for the order, `trivet.delivery.relay` for the delivery.
"""

from trivet.events.feeds import Change, Publication, feed
from trivet.events.live_classes import Live, live
from trivet.events.outbox import Position, find_position

__all__ = [
    "Change",
    "Live",
    "Position",
    "Publication",
    "feed",
    "find_position",
    "live",
]
