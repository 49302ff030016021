"""Credentials: who a client is, for how long, and what allows a subscription.

A client is whom the root established at its handshake (a session's cookie, an API key), unless its
connect command brings a token: a signed one of `trivet.identity.tokens`, or an API key itself, for
clients that cannot set a header. A token names a user of ours. Who that is, and whether it is still
active, is read from the database (and remembered for the seconds of the identity cache), so
permissions, revocations and the audit trail hold as for everybody else.
"""

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import msgspec
from msgspec import UNSET
from sqlalchemy.ext.asyncio import AsyncSession

from trivet import Platform
from trivet.identity import ANONYMOUS, Identity
from trivet.identity.keys import KEY_PATTERN, identify_key
from trivet.identity.token_sessions import NamedSession, find_in_session
from trivet.identity.tokens import (
    ConnectionClaims,
    ExpiredToken,
    InvalidToken,
    Override,
    SubscriptionClaims,
    SubscriptionOptions,
    decode_base64,
)
from trivet.identity.user_identity import identify_user
from trivet_realtime.channels import Access
from trivet_realtime.codes import (
    EXPIRED,
    INVALID_TOKEN,
    PERMISSION_DENIED,
    TOKEN_EXPIRED,
    CommandError,
    Disconnected,
)
from trivet_realtime.protocol import Json, decode_json, encode_json, raw_json

C = TypeVar("C", ConnectionClaims, SubscriptionClaims)

_USERS, _KEYS = -1, -2
"""Names of our own in the cache of identities, beside the numbers of the authenticators."""


@dataclass(frozen=True, slots=True)
class Credential:
    """Who a client is. `user` is the id of its user as the protocol writes it; empty: nobody.

    `expires_at` (seconds since 1970, UTC) is the end of a token; None: it has none. `info` is what
    other clients see, `meta` what only the server does. `subs` are the channels that a token
    subscribes its bearer to.
    """

    identity: Identity
    expires_at: float | None = None
    info: Json = UNSET
    meta: Any = UNSET
    subs: Mapping[str, SubscriptionOptions] = field(default_factory=dict)
    is_token: bool = False

    @property
    def user(self) -> str:
        return "" if self.identity.user_id is None else str(self.identity.user_id)


@dataclass(frozen=True, slots=True)
class Grant:
    """What allows one subscription, and how it differs from others of its channel.

    Without `asks_rule` the channel's rule is not asked: a token has decided, or the server.
    """

    access: Access
    asks_rule: bool = True
    info: Json = UNSET
    data: Json = UNSET
    expires_at: float | None = None
    override: Override = field(default_factory=Override)

    @property
    def presence(self) -> bool:
        """Whether others can see this subscription."""
        switch = self.override.presence
        return self.access.namespace.presence if switch is None else switch.value

    @property
    def join_leave(self) -> bool:
        """Whether others are told that it begins and ends."""
        switch = self.override.join_leave
        return self.access.namespace.join_leave if switch is None else switch.value


class Credentials:
    """Reads what clients bring. With `accepts_strangers`, a token may name a user that the
    database does not have: for tests of the protocol alone."""

    def __init__(self, platform: Platform, *, accepts_strangers: bool = False) -> None:
        self._platform = platform
        self._accepts_strangers = accepts_strangers

    async def of_token(self, token: str) -> Credential:
        """The credential that `token` is.

        Nothing is awaited after the identity was found valid: who gives it to a client at once
        misses no revocation.

        Raises CommandError (109, 110) for a token that has ended, and Disconnected (3500) for one
        that does not hold, or whose user is unknown or not active.
        """
        if KEY_PATTERN.fullmatch(token):
            return Credential(await self._identify_key(token))
        read = self._platform.tokens.read_connection
        claims, info = _read(read, token, Disconnected(INVALID_TOKEN))
        if claims.expires_at is not None and claims.expires_at <= time.time():
            raise CommandError(EXPIRED)
        subs = {name: SubscriptionOptions() for name in claims.channels} | dict(claims.subs)
        named = self.read_session(claims.session)
        identity = await self.of_user(claims.sub, claims.credential, named)
        return Credential(identity, claims.expires_at, info, claims.meta, subs, is_token=True)

    def of_subscription(
        self, credential: Credential, client: str, access: Access, token: str
    ) -> Grant:
        """The grant that a subscription token is, for the connection `client` of `credential`.

        Raises CommandError: 109 for a token that has ended, 103 for one that does not hold or is
        for somebody or something else.
        """
        read = self._platform.tokens.read_subscription
        claims, info = _read(read, token, CommandError(PERMISSION_DENIED))
        is_theirs = claims.sub == credential.user and claims.client in ("", client)
        if not is_theirs or claims.channel != access.channel:
            raise CommandError(PERMISSION_DENIED)
        if claims.expires_at is not None and claims.expires_at <= time.time():
            raise CommandError(EXPIRED)
        try:
            data = either(claims.data, claims.b64data)
        except InvalidToken as error:
            raise CommandError(PERMISSION_DENIED) from error
        return Grant(
            access,
            asks_rule=False,
            info=info,
            data=data,
            expires_at=claims.expires_at,
            override=claims.override or Override(),
        )

    async def _identify_key(self, key: str) -> Identity:
        async def ask() -> Identity | None:
            async with self._platform.database.unit(read_only=True) as session:
                return await identify_key(session, key)

        identities = self._platform.identities
        identity = await identities.look_up(identities.name(_KEYS, key), ask)
        if identity is None:
            raise Disconnected(INVALID_TOKEN)
        self._platform.key_uses.note(identity.credential_id)
        return identity

    async def of_user(
        self, user: str, credential: str = "", named: NamedSession | None = None
    ) -> Identity:
        """The identity of the user with the id `user`, whom somebody trusted names; ANONYMOUS for
        an empty one. `credential` is the one that has asked for it, if that is known, and `named`
        the session, which has to be there still.

        Raises Disconnected (3500) for a user that is unknown or not active, and for a session that
        has ended.
        """
        if not user:
            return ANONYMOUS
        if not (user.isascii() and user.isdigit() and len(user) <= _MOST_DIGITS):
            raise Disconnected(INVALID_TOKEN)
        number = int(user)

        async def ask() -> Identity | None:
            async with self._platform.database.unit(read_only=True) as session:
                found = await self._find_user(session, number)
                if found is None or named is None:
                    return found
                # With its credential, so that a logout finds it in the cache.
                found = replace(found, credential_id=credential)
                return await find_in_session(session, found, named)

        identities = self._platform.identities
        entry = f"{number} {credential} {named}" if named else str(number)
        identity = await identities.look_up(identities.name(_USERS, entry), ask)
        if identity is None:
            raise Disconnected(INVALID_TOKEN)
        return replace(identity, credential_id=credential or identity.credential_id)

    def read_session(self, claim: str) -> NamedSession | None:
        """The session that a token names by `claim`; None if it names none.

        Raises Disconnected (3500) for a claim that is none of ours.
        """
        if self._accepts_strangers:
            return None
        try:
            return self._platform.tokens.read_session(claim)
        except InvalidToken as error:
            raise Disconnected(INVALID_TOKEN) from error

    async def _find_user(self, session: AsyncSession, number: int) -> Identity | None:
        if self._accepts_strangers:
            # No token's: those are compared with the database, which does not have this user.
            return Identity(number, f"user {number}", kind="session")
        return await identify_user(session, number)


def _read(read: Callable[[str], C], token: str, refusal: Exception) -> tuple[C, Json]:
    """The claims of a token and what others see of its bearer. Raises CommandError (109) for one
    that has ended, and `refusal` for one that does not hold."""
    try:
        claims = read(token)
        return claims, info_of(claims)
    except ExpiredToken as error:
        raise CommandError(TOKEN_EXPIRED) from error
    except InvalidToken as error:
        raise refusal from error


_MOST_DIGITS = 18
"""The digits of a number that fits any column of keys."""


def grant_of_server(access: Access, options: SubscriptionOptions) -> Grant:
    """The grant of a subscription that the server makes, or a connection token. Raises
    InvalidToken for data that is no base64."""
    return Grant(
        access,
        asks_rule=False,
        info=either(options.info, options.b64info),
        data=either(options.data, options.b64data),
        override=options.override or Override(),
    )


def info_of(claims: ConnectionClaims | SubscriptionClaims) -> Json:
    """What other clients see of the bearer. Raises InvalidToken for what is no base64."""
    return either(claims.info, claims.b64info)


def either(value: Any, in_base64: str) -> Json:
    """JSON that was given as such or as base64. Raises InvalidToken for what is neither."""
    if in_base64:
        return read_json(decode_base64(in_base64))
    return UNSET if value is UNSET else encode_json(value)


def read_json(text: bytes) -> Json:
    """Bytes that are JSON. Raises InvalidToken for others."""
    raw = raw_json(text)
    try:
        decode_json(raw)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise InvalidToken("what is encoded is no JSON") from error
    return raw


def seconds_left(expires_at: float | None) -> int:
    """The `ttl` of the protocol: whole seconds from now, at least one, and no more than all SDKs
    can count; 0 if there is no end."""
    if expires_at is None:
        return 0
    return min(max(1, math.ceil(expires_at - time.time())), _MOST_SECONDS)


_MOST_SECONDS = 2**31 - 1
