"""Tokens for sockets: short-lived, signed, and checked without the database.

A connection token says who a client is, a subscription token that its bearer may subscribe to one
channel. The claims are those of Centrifugo, so its tools and it itself read our tokens, and we read
those that were made for it: https://centrifugal.dev/docs/server/authentication

A token says who somebody is and not what they may do: whoever accepts one reads the user and its
permissions from the database. A token cannot be revoked; a user can, and so can the session that
asked for the token (`trivet.identity.token_sessions`). Tokens are made for minutes, and pages ask
for a new one (the SDKs do that by themselves).
"""

import base64
import time
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import jwt
import msgspec
from jwt.utils import base64url_decode
from msgspec import UNSET, Struct, UnsetType

from trivet.errors import Forbidden
from trivet.identity.identity import Identity
from trivet.identity.token_keys import TokenKeys, read_token_keys
from trivet.identity.token_sessions import NamedSession, SessionSeal, seal_of
from trivet_settings import Settings

SECONDS = 600.0
"""The life of a token that is made without another one."""


class Switch(Struct, frozen=True):
    """A yes or no that is told apart from nothing."""

    value: bool = False


class Override(Struct, frozen=True):
    """Options of a channel that a token changes for one subscription."""

    presence: Switch | None = None
    join_leave: Switch | None = None
    force_push_join_leave: Switch | None = None
    force_recovery: Switch | None = None
    force_positioning: Switch | None = None


class SubscriptionOptions(Struct, frozen=True, omit_defaults=True):
    """What a connection token says about one of the channels that it subscribes its bearer to."""

    info: Any = UNSET
    b64info: str = ""
    data: Any = UNSET
    b64data: str = ""
    override: Override | None = None


class _Claims(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The claims of both kinds of tokens. `sub` is the user's id; empty: nobody."""

    sub: str = ""
    exp: float | None = None
    expire_at: float | None = None
    info: Any = UNSET
    b64info: str = ""
    jti: str = ""

    @property
    def expires_at(self) -> float | None:
        """When what the token opens ends (seconds since 1970, UTC); None: not by itself.

        `exp` is the end of the token, and by default that of the connection too.
        """
        end = self.exp if self.expire_at is None else self.expire_at
        return end or None


class ConnectionClaims(_Claims, frozen=True, kw_only=True, omit_defaults=True):
    """A connection token. `channels` and `subs` are subscribed by the server."""

    channels: tuple[str, ...] = ()
    subs: Mapping[str, SubscriptionOptions] = msgspec.field(default_factory=dict)
    meta: Any = UNSET
    channel: str | UnsetType = UNSET
    credential: str = ""
    """Ours: the credential that asked for the token. What ends that one ends this connection."""
    session: str = msgspec.field(default="", name="trivet_session")
    """Ours, sealed: the session that asked for it. After its end the token opens nothing. Tokens of
    other issuers may have a claim `session` of their own."""


class SubscriptionClaims(_Claims, frozen=True, kw_only=True, omit_defaults=True):
    """A subscription token, for one channel. `client` limits it to one connection."""

    channel: str = ""
    client: str = ""
    data: Any = UNSET
    b64data: str = ""
    override: Override | None = None


C = TypeVar("C", bound=_Claims)


class InvalidToken(ValueError):
    """A token that does not hold: forged, of another key or audience, or not what it should be."""


class ExpiredToken(InvalidToken):
    """A token that did hold. Its bearer may ask for a new one."""


class Tokens:
    """Makes and reads the tokens of an installation.

    Args:
        keys: The keys that sign and check.
        audience: The audience that tokens have to name; empty: any, and none is named.
        seal: Names the sessions that ask for tokens; None: they are not named.
    """

    def __init__(
        self, keys: TokenKeys, audience: str = "", seal: SessionSeal | None = None
    ) -> None:
        self._keys = keys
        self._audience = audience
        self._seal = seal

    def connection(
        self,
        identity: Identity,
        *,
        seconds: float = SECONDS,
        info: Any = UNSET,
        channels: Sequence[str] = (),
        meta: Any = UNSET,
    ) -> str:
        """A token with which a client connects as `identity`.

        Args:
            identity: A logged-in user, or nobody. Programs connect with their API key itself.
            seconds: How long the token, and the connection that it opens, is good. The client
                asks for a new token before.
            info: Any JSON that other clients see beside the user, in presence and publications.
            channels: Channels that the server subscribes the client to.
            meta: Any JSON that stays on the server. Without it the credential and the session
                stand there too, because Centrifugo passes on nothing else of a token.

        Returns:
            The token.

        Raises:
            Forbidden: The identity is an API key: it may have fewer permissions than its owner,
                which a token cannot say.
        """
        if identity.kind == "key":
            raise Forbidden(
                "no-token-for-a-key",
                "A program connects with its API key in place of a token; tokens are for users.",
            )
        session = "" if self._seal is None else self._seal.seal(identity)
        if meta is UNSET:
            named = {"credential": identity.credential_id, "session": session}
            meta = {name: value for name, value in named.items() if value} or UNSET
        claims = ConnectionClaims(
            sub=_subject(identity),
            exp=_end(seconds),
            info=info,
            channels=tuple(channels),
            meta=meta,
            credential=identity.credential_id,
            session=session,
        )
        return self._sign(claims)

    def subscription(
        self, channel: str, identity: Identity, *, seconds: float = SECONDS, info: Any = UNSET
    ) -> str:
        """A token with which a client of `identity` subscribes to one channel.

        The channel's rule is not asked then: whoever makes the token has decided.

        Args:
            channel: The whole name of the channel.
            identity: The user of the connection that will bring the token; or nobody.
            seconds: How long the token, and the subscription, is good.
            info: Any JSON that other clients see beside the user in this channel.

        Returns:
            The token.
        """
        claims = SubscriptionClaims(
            sub=_subject(identity), channel=channel, exp=_end(seconds), info=info
        )
        return self._sign(claims)

    def read_connection(self, token: str) -> ConnectionClaims:
        """The claims of a connection token. Raises InvalidToken, or ExpiredToken."""
        claims = self._read(token, ConnectionClaims)
        if claims.channel is not UNSET:
            raise InvalidToken("a subscription token opens no connection")
        return claims

    def read_session(self, claim: str) -> NamedSession | None:
        """The session that a connection token names by `claim`; None if it names none. Raises
        InvalidToken for one that another installation has named."""
        if not claim or self._seal is None:
            return None
        named = self._seal.open(claim)
        if named is None:
            raise InvalidToken("the session of this token is none of ours")
        return named

    def read_subscription(self, token: str) -> SubscriptionClaims:
        """The claims of a subscription token. Raises InvalidToken, or ExpiredToken."""
        claims = self._read(token, SubscriptionClaims)
        if not claims.channel:
            raise InvalidToken("a connection token opens no subscription")
        return claims

    def _sign(self, claims: _Claims) -> str:
        payload = {**msgspec.to_builtins(claims), "iat": int(time.time())}
        if self._audience:
            payload["aud"] = self._audience
        return jwt.encode(payload, self._keys.secret, algorithm="HS256")

    def _find_key(self, token: str) -> tuple[Any, str]:
        found = self._keys.find(jwt.get_unverified_header(token))
        if found is None:
            raise InvalidToken("no key of ours checks this token")
        return found

    def _read(self, token: str, kind: type[C]) -> C:
        try:
            key, algorithm = self._find_key(token)
            jwt.decode(
                token,
                key,
                algorithms=[algorithm],
                audience=self._audience or None,
                options={"verify_aud": bool(self._audience), "verify_iat": False},
            )
            # Once more from its text, because PyJWT takes what no other reader of JSON does, such
            # as NaN for an end, or half a character in a name.
            return msgspec.json.decode(base64url_decode(token.split(".")[1]), type=kind)
        except jwt.ExpiredSignatureError as error:
            raise ExpiredToken(str(error)) from error
        except (jwt.PyJWTError, msgspec.MsgspecError, ValueError, RecursionError) as error:
            raise InvalidToken(str(error)) from error


def _subject(identity: Identity) -> str:
    return "" if identity.user_id is None else str(identity.user_id)


def _end(seconds: float) -> float:
    return int(time.time() + seconds)


def decode_base64(text: str) -> bytes:
    """Bytes that a claim carries as base64. Raises InvalidToken."""
    try:
        return base64.b64decode(text, validate=True)
    except ValueError as error:  # binascii's, or one for letters that are no ASCII
        raise InvalidToken("a claim is no base64") from error


def open_tokens(settings: Settings) -> Tokens:
    """The tokens of an installation. Raises ConfigurationError for keys that cannot be read."""
    return Tokens(read_token_keys(settings), settings.token_audience, seal_of(settings))
