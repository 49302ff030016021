"""The live channel of a resource: where its lists and its events meet.

A page that lists rows and then follows their changes needs the position of the channel at the very
moment of the rows: ``?live=true`` of a list answers with it. Who may not subscribe has no use for a
position, which tells how much changes, and gets none.
"""

from collections.abc import Iterable
from typing import Any

from trivet.events.live_classes import LiveFeed
from trivet.identity.identity import Identity
from trivet_api.resource.faults import input_error, invalid


def find_feed(feeds: Iterable[LiveFeed], model: type[Any]) -> LiveFeed | None:
    """The feed of a live class; None if it is none."""
    return next((each for each in feeds if each.model is model), None)


def require_channel(feeds: Iterable[LiveFeed], model: type[Any], actor: Identity) -> str:
    """The channel of a live class.

    Raises:
        Invalid: The class is no live one.
        Unauthenticated, Forbidden: `actor` may not subscribe.
    """
    feed = find_feed(feeds, model)
    if feed is None:
        detail = f"changes are not published: events.py has no live({model.__name__})"
        raise invalid([input_error("live", detail)])
    feed.policy.check(actor)
    return feed.channel
