"""The questions of Centrifugo's proxies. Unknown fields are ignored: newer versions add some.

Every question names the connection (`client`) and its `user`; empty: nobody. `meta` is what the
answer to connect, or the connection's token, said for us alone.
"""

from msgspec import UNSET, Struct

from trivet_realtime.protocol import Json


class Question(Struct, kw_only=True):
    """What every question has. `encoding` is ``json``, or ``binary`` for data in base64."""

    client: str
    user: str = ""
    encoding: str = "json"
    meta: Json = UNSET


class ConnectQuestion(Question, kw_only=True):
    """Who is it, and may they connect? There is no user yet."""


class RefreshQuestion(Question, kw_only=True):
    """May the connection go on?"""


class SubscribeQuestion(Question, kw_only=True):
    """May it subscribe to a channel? Centrifugo itself judges those that bring a token."""

    channel: str


class SubRefreshQuestion(Question, kw_only=True):
    """May a subscription go on?"""

    channel: str


class _WithData(Question, kw_only=True):
    data: Json = UNSET
    b64data: str = ""


class PublishQuestion(_WithData, kw_only=True):
    """May it publish this to a channel?"""

    channel: str


class RpcQuestion(_WithData, kw_only=True):
    """What does this function return?"""

    method: str


class Meta(Struct):
    """What `meta` says, if it is ours.

    Attributes:
        handshake: The connection is whom its handshake says, without a token.
        credential: The credential that asked for its token.
        session: The session that did, sealed.
    """

    handshake: bool = False
    credential: str = ""
    session: str = ""
