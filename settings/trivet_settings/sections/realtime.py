"""The section of the settings about sockets."""

from typing import Annotated

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings

from trivet_settings.description import About
from trivet_settings.values import BrokerAddress, HeaderSecrets, Listed, LongSecret


class RealtimeSettings(BaseSettings):
    """Sockets, and what carries changes to them."""

    token_secret: Annotated[
        SecretStr,
        About(
            "Signs the tokens with which sockets connect and subscribe (HS256). Empty: derived "
            "from the secret key. Set it where another program makes or checks such tokens.",
            cure="Make one with: trivet secret --print",
            secret=True,
        ),
        LongSecret,
    ] = SecretStr("")
    token_public_keys: Annotated[
        str,
        About(
            "A file of public keys that check tokens of somebody else (RSA, EC): one in PEM, or "
            "several as a JSON Web Key Set. Empty: only our own tokens are accepted.",
            "path",
            cure="Write it like /etc/trivet/keys.json",
        ),
    ] = ""
    token_audience: Annotated[
        str,
        About("The audience that tokens of sockets have to name (aud). Empty: any."),
    ] = ""
    server_api_keys: Annotated[
        tuple[SecretStr, ...],
        *Listed,
        About(
            "Keys of programs that use the server API of the sockets (publish, disconnect, …), "
            "which is Centrifugo's. Empty: it is off.",
            "secrets, comma-separated or JSON",
            cure="Make one with: trivet secret --print",
            secret=True,
        ),
        HeaderSecrets,
    ] = ()
    broker: Annotated[
        SecretStr,
        BrokerAddress,
        About(
            "What carries wake-ups and revocations between processes: the database itself "
            "(postgresql), a Redis or Valkey server, or nothing (memory), which is for one process "
            "alone. Empty: postgresql on PostgreSQL, memory on SQLite.",
            "memory, postgresql or redis://host:port",
            cure="Write it like redis://user:password@host:6379, or rediss:// with TLS",
            secret=True,
        ),
    ] = SecretStr("")
    poll_seconds: Annotated[
        float,
        Field(gt=0, le=60),
        About(
            "How often publications are looked for that no wake-up announced, while no broker "
            "between processes is connected. While one is, polls are rare.",
            "seconds",
        ),
    ] = 1.0
    history_hours: Annotated[
        float,
        Field(gt=0, le=876_000),
        About("How long publications are kept for recovery.", "hours"),
    ] = 24.0
    ping_seconds: Annotated[
        int, Field(ge=1, le=3600), About("How often a socket is pinged.", "seconds")
    ] = 25
    message_limit_bytes: Annotated[
        int, Field(ge=1024), About("Largest message that a socket may send.", "bytes")
    ] = 64 * 1024
