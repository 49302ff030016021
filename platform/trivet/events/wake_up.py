"""The wake-up: a commit published something, so nobody has to wait for the next poll."""

from collections.abc import Mapping

from trivet.broker import Message, Publisher


class WakeUp(Message, frozen=True, tag="wake-up"):
    """`offsets` names the channels that a commit published to, each with its newest offset.

    It carries positions and no data: the rows are the truth, and the relay reads them.
    """

    offsets: dict[str, int]


def publish_wake_up(broker: Publisher, published: Mapping[str, int]) -> None:
    """Send a wake-up for what a commit published; nothing if that is nothing."""
    if published:
        broker.publish(WakeUp(dict(published)))
