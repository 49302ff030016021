"""The requests and results of the server API. Unknown fields are ignored, as Centrifugo does."""

from collections.abc import Mapping, Sequence

from msgspec import UNSET, Struct

from trivet.identity.tokens import Override
from trivet_realtime.protocol import ClientInfo, Json, Since
from trivet_realtime.protocol.messages import Publication


class PublishCommand(Struct, kw_only=True):
    """`idempotency_key` names a publication that may be sent twice and is published once.
    `skip_history` publishes it to the present subscribers alone."""

    channel: str = ""
    data: Json = UNSET
    b64data: str = ""
    skip_history: bool = False
    tags: dict[str, str] = {}
    idempotency_key: str = ""


class BroadcastCommand(Struct, kw_only=True):
    """The same publication to several channels."""

    channels: list[str] = []
    data: Json = UNSET
    b64data: str = ""
    skip_history: bool = False
    tags: dict[str, str] = {}
    idempotency_key: str = ""


class _OfUser(Struct, kw_only=True):
    """Which connections are meant: all of a user, or one of them."""

    user: str = ""
    client: str = ""
    session: str = ""


class SubscribeCommand(_OfUser, kw_only=True):
    """Subscribes connections to a channel, without their asking."""

    channel: str = ""
    info: Json = UNSET
    b64info: str = ""
    data: Json = UNSET
    b64data: str = ""
    recover_since: Since | None = None
    override: Override | None = None


class UnsubscribeCommand(_OfUser, kw_only=True):
    """Ends subscriptions. An empty channel stands for all of them."""

    channel: str = ""


class Ending(Struct):
    """A code and a reason of one's own; from 3500 to 3999 and from 4500 on it is final."""

    code: int = 0
    reason: str = ""


class DisconnectCommand(_OfUser, kw_only=True):
    """Ends connections, except those of the clients in `whitelist`."""

    whitelist: list[str] = []
    disconnect: Ending | None = None


class RefreshCommand(_OfUser, kw_only=True):
    """Changes when connections expire (`expire_at`, in seconds since 1970), or ends them."""

    expired: bool = False
    expire_at: float = 0


class ChannelCommand(Struct):
    """A command about one channel."""

    channel: str = ""


class HistoryCommand(Struct):
    """As the command of the client protocol."""

    channel: str = ""
    limit: int = 0
    since: Since | None = None
    reverse: bool = False


class ChannelsCommand(Struct):
    """`pattern` is a glob; empty: all channels."""

    pattern: str = ""


class InfoCommand(Struct):
    """Asks for the processes."""


class BatchCommand(Struct):
    """Several commands, each an object of a method and its request. They run one after another."""

    commands: list[dict[str, Json]] = []
    parallel: bool = False


class Error(Struct):
    code: int
    message: str


class PublishResult(Struct, omit_defaults=True):
    """The position of the channel with this publication; nothing without history."""

    offset: int = 0
    epoch: str = ""


class PublishResponse(Struct, omit_defaults=True):
    """One channel of a broadcast."""

    result: PublishResult | None = None
    error: Error | None = None


class BroadcastResult(Struct):
    responses: Sequence[PublishResponse]


class HistoryResult(Struct):
    publications: Sequence[Publication]
    epoch: str
    offset: int


class PresenceResult(Struct):
    presence: Mapping[str, ClientInfo]


class PresenceStatsResult(Struct):
    num_clients: int
    num_users: int


class ChannelInfo(Struct):
    num_clients: int


class ChannelsResult(Struct):
    channels: Mapping[str, ChannelInfo]


class ChannelsPart(ChannelsResult, omit_defaults=True):
    """Some channels of one process, for another; `has_more` says that it has more than it tells."""

    has_more: bool = False


class NodeInfo(Struct):
    """One process, and what it has."""

    uid: str
    name: str
    version: str
    num_clients: int
    num_users: int
    num_subs: int
    num_channels: int
    uptime: int


class InfoResult(Struct):
    nodes: Sequence[NodeInfo]


class Nothing(Struct):
    """The result of a command that has nothing to tell."""
