"""Every user has a channel, and some have one together."""

from trivet_realtime import Namespace, channel

study = Namespace(user_limited=True, personal=True)


@channel("study:lobby")
def lobby() -> bool:
    return True
