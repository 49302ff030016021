"""The wake-up: the message that a commit has published, so that the relay need not wait for its
next poll."""

from collections.abc import Mapping

from trivet.broker import Message, Publisher


class WakeUp(Message, frozen=True, tag="wake-up"):
    """`offsets` names the channels that a commit published to, each with its newest offset. If it
    is empty, any channel may have publications.

    It carries positions and no data: the rows are the truth, and the relay reads them.
    """

    offsets: dict[str, int]


def publish_wake_up(broker: Publisher, published: Mapping[str, int]) -> None:
    """Send a wake-up for the publications of a commit, if there are any."""
    if published:
        broker.publish(WakeUp(dict(published)))
