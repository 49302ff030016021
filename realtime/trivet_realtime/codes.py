"""The numbers of the protocol, with what each one makes an SDK do.

Three tables: errors answer one command, unsubscribe codes end one subscription, disconnect
codes end the connection. The numbers are Centrifuge's (protocol version 2).
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ErrorCode:
    """The answer to one command that failed; after a `temporary` one the SDK tries again."""

    code: int
    message: str
    temporary: bool = False


INTERNAL = ErrorCode(100, "internal server error", temporary=True)
UNAUTHORIZED = ErrorCode(101, "unauthorized")
UNKNOWN_CHANNEL = ErrorCode(102, "unknown channel")
PERMISSION_DENIED = ErrorCode(103, "permission denied")
METHOD_NOT_FOUND = ErrorCode(104, "method not found")
ALREADY_SUBSCRIBED = ErrorCode(105, "already subscribed")
LIMIT_EXCEEDED = ErrorCode(106, "limit exceeded")
BAD_REQUEST = ErrorCode(107, "bad request")
NOT_AVAILABLE = ErrorCode(108, "not available")
TOKEN_EXPIRED = ErrorCode(109, "token expired")
"""The SDK asks its page for a new token and comes again."""
EXPIRED = ErrorCode(110, "expired")
TOO_MANY_REQUESTS = ErrorCode(111, "too many requests", temporary=True)
UNRECOVERABLE_POSITION = ErrorCode(112, "unrecoverable position")


@dataclass(frozen=True, slots=True)
class UnsubscribeCode:
    """Why the server ended a subscription; from 2500 the SDK subscribes again by itself."""

    code: int
    reason: str


SERVER_UNSUBSCRIBED = UnsubscribeCode(2000, "server unsubscribe")
"""Somebody ended it on purpose: the SDK leaves it ended."""
INSUFFICIENT_STATE = UnsubscribeCode(2500, "insufficient state")
"""The stream to this subscriber has a hole, which recovery can fill."""
SUBSCRIPTION_EXPIRED = UnsubscribeCode(2501, "subscription expired")
"""Its token ended and no newer one came: the SDK asks for one and subscribes again. 3006 ends the
connection for the same reason, if the server has subscribed the client; what it subscribes to has
no end here, so that is never sent."""
STATE_INVALIDATED = UnsubscribeCode(2502, "state invalidated")
"""The hole cannot be filled: the SDK forgets its position, and the page reloads."""


@dataclass(frozen=True, slots=True)
class DisconnectCode:
    """Why the server ended a connection.

    3000 to 3499 make an SDK reconnect; 3500 to 3999 and 1009 are final. `reason` travels in
    the close frame, where at most 123 bytes fit, and must never look like JSON: the SDKs
    would take it for an older protocol's advice.
    """

    code: int
    reason: str


MESSAGE_TOO_BIG = DisconnectCode(1009, "message too big")
CONNECTION_CLOSED = DisconnectCode(3000, "connection closed")
"""The client left. Never sent, for there is nobody to send it to."""
SHUTDOWN = DisconnectCode(3001, "shutdown")
SERVER_ERROR = DisconnectCode(3004, "internal server error")
CONNECTION_EXPIRED = DisconnectCode(3005, "connection expired")
"""The token ended and no newer one came. The SDK asks its page for one and comes back."""
SLOW = DisconnectCode(3008, "slow")
NO_PONG = DisconnectCode(3012, "no pong")
INVALID_TOKEN = DisconnectCode(3500, "invalid token")
CREDENTIAL_REVOKED = DisconnectCode(3500, "credential revoked")
"""A logout, a changed password, a disabled user, a withdrawn key. The number is that of a
credential that does not hold, because that is what became of it. It is final: with any code
that reconnects, every SDK would come back with the same dead credential, again and again."""
CREDENTIAL_EXPIRED = DisconnectCode(3500, "credential expired")
"""The key or session reached its own end, and is as dead as a revoked one."""
GRANTS_CHANGED = DisconnectCode(3011, "grants changed")
"""The client's permissions have to be asked for again. It comes back by itself with the same
credential, subscribes again under the rules as they are for it now, and recovers what it
missed; a channel that is no longer its to hear is then refused with 103."""
TOO_MANY_COMMANDS = DisconnectCode(3013, "too many requests")
"""Commands come faster than they are worked off, by a way that nobody can hold up."""
MALFORMED = DisconnectCode(3501, "bad request")
STALE = DisconnectCode(3502, "stale")
FORCED = DisconnectCode(3503, "force disconnect")
CHANNEL_LIMIT = DisconnectCode(3505, "channel limit")
"""The server subscribes the client to more than a connection may have. Who asks for one channel too
many is refused that one (106); here nobody has asked, and to leave some out would be silent."""
INAPPROPRIATE_PROTOCOL = DisconnectCode(3506, "inappropriate protocol")
"""The client speaks Protobuf, this server JSON. Final: it would come back with the same."""
SEND_NOT_AVAILABLE = DisconnectCode(3508, "not available")


class CommandError(Exception):
    """Answers the present command with `code`; the connection goes on."""

    def __init__(self, code: ErrorCode) -> None:
        super().__init__(f"{code.code} {code.message}")
        self.code = code


class Disconnected(Exception):
    """Ends the connection with `code`."""

    def __init__(self, code: DisconnectCode) -> None:
        super().__init__(f"{code.code} {code.reason}")
        self.code = code
