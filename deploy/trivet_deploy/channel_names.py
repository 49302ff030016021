"""Channels that commands are given: what is no channel of any feature is refused, with the cure."""

from trivet.errors import Invalid
from trivet.features import Feature
from trivet.suggestion import did_you_mean
from trivet_realtime.channels import PRIVATE, ChannelRules
from trivet_realtime.codes import BAD_REQUEST, CommandError
from trivet_realtime.live_channels import channels_of


def rules_of(features: tuple[Feature, ...]) -> ChannelRules:
    """The rules of all channels of `features`."""
    return channels_of(features)


def require_channel(rules: ChannelRules, channel: str) -> None:
    """Raise Invalid unless `channel` is the name of a channel of a feature."""
    try:
        rules.find_namespace(channel)
    except CommandError as error:
        if error.code is BAD_REQUEST:
            raise Invalid(
                "channel",
                f"{channel!r} is no channel's name: it has 1 to 255 printable ASCII characters, "
                "and no space.",
            ) from error
        namespace, colon, _ = channel.removeprefix(PRIVATE).partition(":")
        known = [f"{name}:" for name in rules.namespaces]
        listed = ", ".join(known) or "none"
        if not colon:
            raise Invalid(
                "channel",
                f"{channel}: the name of a channel begins with its feature and a colon. "
                f"There are: {listed}.",
            ) from error
        asked = f"{namespace}:"
        raise Invalid(
            "channel",
            f"{channel}: no feature of TRIVET_FEATURES has channels that begin with "
            f"{asked}{did_you_mean(asked, known)} There are: {listed}.",
        ) from error
