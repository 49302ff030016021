"""The section of the settings about requests."""

from typing import Annotated

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings

from trivet_settings.description import About
from trivet_settings.values import AllowedOrigins, Proxies, ThrottleStore, TrustedOrigins


class RequestSettings(BaseSettings):
    """Requests: how large and slow they may be, whose they are, and where they come from."""

    body_limit_bytes: Annotated[
        int,
        Field(ge=1024),
        About("Largest request body; a larger one is answered with 413.", "bytes"),
    ] = 2 * 1024 * 1024
    body_seconds: Annotated[
        float,
        Field(gt=0, le=3600),
        About(
            "How long a request waits for its body in all; after that it is answered with 408.",
            "seconds",
        ),
    ] = 60.0
    held_bodies_bytes: Annotated[
        int,
        Field(ge=1024),
        About(
            "Memory that the bodies of all requests may fill together; beyond it the slowest "
            "requests are answered with 503.",
            "bytes a process",
        ),
    ] = 64 * 1024 * 1024
    idempotency_hours: Annotated[
        float,
        Field(gt=0, le=8760),
        About(
            "How long the answer to a request with an Idempotency-Key is kept; later the key is "
            "new again.",
            "hours",
        ),
    ] = 24.0
    idempotency_wait_seconds: Annotated[
        float,
        Field(ge=0, le=300),
        About(
            "How long a request waits for another one with the same Idempotency-Key; after that "
            "it is answered with 409.",
            "seconds",
        ),
    ] = 10.0
    idempotency_answer_bytes: Annotated[
        int,
        Field(ge=1024),
        About(
            "Largest answer that is kept for an Idempotency-Key; a request whose answer is larger "
            "is undone and answered with 422.",
            "bytes",
        ),
    ] = 256 * 1024
    session_hours: Annotated[
        float, Field(gt=0, le=876_000), About("How long a login lasts.", "hours")
    ] = 12.0
    identity_cache_seconds: Annotated[
        float,
        Field(ge=0, le=300),
        About(
            "How long the identity behind a credential is cached; 0: not at all. A revocation "
            "removes it at once in its own process.",
            "seconds",
        ),
    ] = 5.0
    throttle_store: Annotated[
        SecretStr,
        ThrottleStore,
        About(
            "Where failed logins are counted for all processes; empty: in each process, until it "
            "ends.",
            "redis://host:port/number",
            cure="Write it like redis://localhost:6379/0",
            secret=True,
        ),
    ] = SecretStr("")
    allowed_origins: Annotated[
        AllowedOrigins,
        About(
            "Other origins whose pages may call the API and open sockets, without the visitor's "
            "cookies: with a key, or as nobody. The word null stands for pages without an origin, "
            "* for every origin.",
            "origins, comma-separated or JSON",
            cure="Write it like https://app.example.org,http://localhost:5173",
        ),
    ] = ()
    trusted_origins: Annotated[
        TrustedOrigins,
        About(
            "Other origins whose pages may do with the visitor's cookies what our own may.",
            "origins, comma-separated or JSON",
            cure="Write it like https://app.example.org,http://localhost:5173",
        ),
    ] = ()
    trusted_proxies: Annotated[
        Proxies,
        About(
            "Proxies whose X-Forwarded-For and X-Forwarded-Proto are trusted; by default none. "
            "The word unix stands for every client of the unix socket.",
            "IP addresses, networks or unix, comma-separated or JSON",
            cure="Write it like 127.0.0.1,10.0.0.0/8 or unix",
        ),
    ] = ()
