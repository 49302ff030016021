"""The messages of the Centrifuge protocol, version 2: what clients ask and what they are told.

https://github.com/centrifugal/protocol (client.proto) names the fields. Fields at their zero value
are left out. `Raw` is JSON that nobody here reads.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated

from msgspec import UNSET, Meta, Raw, Struct, UnsetType

CommandId = Annotated[int, Meta(ge=0, lt=2**32)]
Offset = Annotated[int, Meta(ge=0, lt=2**53)]
"""Above 2^53 a browser's numbers are not exact."""

Json = Raw | UnsetType
"""Any JSON, or nothing."""


class Command(Struct):
    """One command as it arrives: exactly one of the methods is set, its request not yet read.
    Without an id it is a pong or a send."""

    id: CommandId = 0
    connect: Json = UNSET
    subscribe: Json = UNSET
    unsubscribe: Json = UNSET
    publish: Json = UNSET
    presence: Json = UNSET
    presence_stats: Json = UNSET
    history: Json = UNSET
    ping: Json = UNSET
    send: Json = UNSET
    rpc: Json = UNSET
    refresh: Json = UNSET
    sub_refresh: Json = UNSET

    def methods(self) -> list[str]:
        """The methods that the command names, in the protocol's order."""
        return [name for name in METHODS if not _is_absent(getattr(self, name))]


METHODS = tuple(name for name in Command.__struct_fields__ if name != "id")
_NULL = Raw(b"null")


def _is_absent(request: Json) -> bool:
    return request is UNSET or request == _NULL


class ConnectRequest(Struct):
    """`token` is for clients without a cookie; `name` and `version` name the client's program.
    `data` is for the application, `subs` asks for the recovery of server-side subscriptions."""

    token: str = ""
    data: Json = UNSET
    subs: dict[str, "SubscribeRequest"] = {}  # msgspec copies it for each message
    name: str = ""
    version: str = ""


class SubscribeRequest(Struct):
    """`recover` asks for what came after `offset` of `epoch`. `flag` is a set of bits, `type`
    the kind of subscription (0: a stream), `tf` a filter by tags, `delta` a kind of compression."""

    channel: str = ""
    token: str = ""
    recover: bool = False
    epoch: str = ""
    offset: Offset = 0
    data: Json = UNSET
    positioned: bool = False
    recoverable: bool = False
    join_leave: bool = False
    delta: str = ""
    tf: Json = UNSET
    flag: int = 0
    type: int = 0


REJECT_UNRECOVERED = 2
"""The bit of `SubscribeRequest.flag`: rather an error than a subscription with a hole."""


class UnsubscribeRequest(Struct):
    """Ends a subscription; to end one that there is not is no error."""

    channel: str


class PublishRequest(Struct):
    """`data` is required; whether it is accepted is decided by the channel's feature."""

    channel: str
    data: Json = UNSET


class PresenceRequest(Struct):
    """Asks who is subscribed to a channel."""

    channel: str


class Since(Struct):
    """A position in a stream."""

    offset: Offset = 0
    epoch: str = ""


class HistoryRequest(Struct):
    """`limit` 0 asks for the position alone, below 0 for as much as the server gives."""

    channel: str
    limit: int = 0
    since: Since | None = None
    reverse: bool = False


class RpcRequest(Struct):
    """A call of a function of the application."""

    method: str = ""
    data: Json = UNSET


class SendRequest(Struct):
    """A message to the application, which is not answered."""

    data: Json = UNSET


class RefreshRequest(Struct):
    """Brings a newer token for the connection."""

    token: str = ""


class SubRefreshRequest(Struct):
    """Brings a newer token for a subscription."""

    channel: str
    token: str = ""


class PingRequest(Struct):
    """Asks for an empty answer."""


class ClientInfo(Struct, omit_defaults=True):
    """A client for other clients: `user` is empty for anybody, `client` is one connection."""

    user: str = ""
    client: str = ""
    conn_info: Json = UNSET
    chan_info: Json = UNSET


class Publication(Struct, omit_defaults=True):
    """`data` is JSON as it was stored; `time` is in milliseconds since 1970, UTC. Without an
    offset it stands outside of the channel's history. With `delta`, `data` changes the previous."""

    data: Raw
    offset: int = 0
    time: int = 0
    info: ClientInfo | None = None
    tags: Mapping[str, str] | None = None
    delta: bool = False


class ConnectResult(Struct, omit_defaults=True):
    """`ping` is in seconds; `node` is this process, `session` this connection in it. `ttl` is in
    seconds, from now."""

    client: str
    version: str
    ping: int
    pong: bool
    session: str
    node: str
    expires: bool = False
    ttl: int = 0
    data: Json = UNSET
    subs: Mapping[str, "SubscribeResult"] | None = None


class SubscribeResult(Struct, omit_defaults=True):
    """Where the subscription starts; `publications` go on from there."""

    epoch: str = ""
    offset: int = 0
    recoverable: bool = False
    positioned: bool = False
    was_recovering: bool = False
    recovered: bool = False
    publications: Sequence[Publication] = ()
    expires: bool = False
    ttl: int = 0
    data: Json = UNSET
    delta: bool = False


class HistoryResult(Struct, omit_defaults=True):
    """Publications, and the position of the channel when they were read."""

    publications: Sequence[Publication] = ()
    epoch: str = ""
    offset: int = 0


class PresenceResult(Struct):
    """The clients that are subscribed, by their ids."""

    presence: Mapping[str, ClientInfo]


class PresenceStatsResult(Struct):
    """How many clients are subscribed, and how many users these are. SDKs need zeros too."""

    num_clients: int = 0
    num_users: int = 0


class RpcResult(Struct, omit_defaults=True):
    """What the application's function returned."""

    data: Json = UNSET


class RefreshResult(Struct, omit_defaults=True):
    """Until when a connection is good; `ttl` in seconds from now."""

    client: str = ""
    version: str = ""
    expires: bool = False
    ttl: int = 0


class SubRefreshResult(Struct, omit_defaults=True):
    """Until when a subscription is good; `ttl` in seconds from now."""

    expires: bool = False
    ttl: int = 0


class Empty(Struct):
    """The result of a command that has nothing to tell."""


class ErrorReply(Struct, omit_defaults=True):
    code: int
    message: str
    temporary: bool = False


class Failure(Struct):
    """The answer to a command that failed. A success has its result under the method's name."""

    id: int
    error: ErrorReply


class Ending(Struct, omit_defaults=True):
    """The end of a subscription or connection, told by a push."""

    code: int
    reason: str


class Beginning(Struct, omit_defaults=True):
    """A subscription that the server made, told by a push."""

    recoverable: bool = False
    epoch: str = ""
    offset: int = 0
    positioned: bool = False
    data: Json = UNSET


class Coming(Struct):
    """A client that joined a channel, or left it."""

    info: ClientInfo


class Message(Struct):
    """A message of the application to one connection."""

    data: Raw


class Push(Struct, omit_defaults=True):
    """A message that the server sends unasked; one of the kinds is set."""

    channel: str = ""
    pub: Publication | None = None
    join: Coming | None = None
    leave: Coming | None = None
    unsubscribe: Ending | None = None
    subscribe: Beginning | None = None
    message: Message | None = None
    disconnect: Ending | None = None
    refresh: SubRefreshResult | None = None


class Pushed(Struct):
    """A push as it stands in a frame."""

    push: Push
