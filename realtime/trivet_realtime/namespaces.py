"""Namespaces: what the channels of one feature can do.

The namespace of a channel is the name of its feature. Without a word about it, a channel has a
history that its subscribers recover from, and nothing else. A feature's ``realtime.py`` says more::

    namespace = Namespace(presence=True, join_leave=True, history_size=100)
"""

from dataclasses import dataclass

from trivet.identity.policy import Policy, public


@dataclass(frozen=True, slots=True, kw_only=True)
class Namespace:
    """The options of a feature's channels. One object stands in its ``realtime.py``.

    Attributes:
        presence: Whether subscribers can ask who is subscribed.
        presence_policy: Who may ask, among those who may subscribe.
        join_leave: Whether subscribers are told who comes and goes.
        history_policy: Who may read the history, among those who may subscribe.
        history_size: How many of the newest publications a client can recover or read; None: all
            that the installation keeps. One reply holds 300 at most.
        history_seconds: The age of the oldest one; None: as long as the installation keeps it.
        tags_filter: Whether a subscriber may ask for the publications with some tags alone.
        delta: Whether a subscriber may ask for the differences between publications (fossil),
            which saves bytes where large publications change little.
        user_limited: Whether ``feature:name#7,8`` is open to the users 7 and 8 without a rule.
        personal: Whether each user is subscribed to ``feature:#7``, their own channel, when they
            connect.
    """

    presence: bool = False
    presence_policy: Policy = public
    join_leave: bool = False
    history_policy: Policy = public
    history_size: int | None = None
    history_seconds: float | None = None
    tags_filter: bool = False
    delta: bool = False
    user_limited: bool = False
    personal: bool = False

    def __post_init__(self) -> None:
        if self.history_size is not None and self.history_size < 0:
            raise ValueError("history_size is a number of publications: 0 or more, or None")
        if self.history_seconds is not None and self.history_seconds <= 0:
            raise ValueError("history_seconds is an age: more than 0, or None")

    def reaches_back(self, most: int) -> int:
        """How many publications a reply may hold, where `most` is the bound of all."""
        return most if self.history_size is None else min(most, self.history_size)


PLAIN = Namespace()
"""The options of a feature that says nothing about them."""
