"""The settings of a process, each with its default, its unit and its meaning."""

from functools import cached_property
from types import MappingProxyType
from typing import Annotated, Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from trivet_settings.database_url import SHAPES, DatabaseUrl
from trivet_settings.description import PREFIX, About
from trivet_settings.public_url import PublicUrl
from trivet_settings.values import (
    AllowedOrigins,
    BrokerAddress,
    DatabaseAddress,
    DatabasePooler,
    DirectAddress,
    FeatureNames,
    Listed,
    LongSecret,
    LongSecrets,
    Lowered,
    MountCommits,
    MountLimits,
    MountPolicies,
    Mounts,
    NonEmptyRooms,
    Observers,
    Pooler,
    ProductName,
    Proxies,
    PublicAddress,
    ReplicaAddresses,
    SitePath,
    ThrottleStore,
    TrustedOrigins,
)

Room = Literal["api", "admin", "realtime"]


class Settings(BaseSettings):
    """All settings of one process, frozen. ``trivet check --settings`` explains each of them.

    `load_settings()` makes it: that function reads the environment and `.env`, and reports all
    faults as one `SettingsError`. The class itself does not read `.env`, and raises pydantic's
    ValidationError.
    """

    model_config = SettingsConfigDict(
        frozen=True,
        env_prefix=PREFIX,
        env_ignore_empty=True,  # compose files pass `X=` for a variable that is not set
        extra="ignore",  # unknown names are found, with a suggestion, by load_settings
        dotenv_filtering="only_existing",
        hide_input_in_errors=True,  # an input may be a secret
    )

    debug: Annotated[
        bool,
        About("Show tracebacks to everybody who meets an error; never on a public installation."),
    ] = False
    secret_key: Annotated[
        SecretStr,
        Field(min_length=32),
        About(
            "Signs sessions, tokens and cursors. At least 32 characters, different for every "
            "installation, the same in every process of one.",
            cure="Write one into .env with: trivet secret",
            secret=True,
        ),
    ]
    name: Annotated[
        str,
        Field(max_length=60),
        ProductName,
        About("The product's name, at the head of every page and in the OpenAPI document."),
    ] = "Trivet"
    site_title: Annotated[
        str,
        Field(max_length=100),
        About("The title of the admin's pages in a browser's tabs. Empty: the product's name."),
    ] = ""
    logo: Annotated[
        str,
        SitePath,
        About(
            "The picture beside the name, and the icon of the pages. Empty: Trivet's.",
            "path on this site",
            cure="Write it like /departures/static/departures.svg",
        ),
    ] = ""
    home: Annotated[
        str,
        SitePath,
        About(
            "Where a visitor of / is sent. Empty: / shows the places to go.",
            "path on this site",
            cure="Write it like /departures/",
        ),
    ] = ""
    public_url: Annotated[
        PublicAddress,
        About(
            "The address under which people reach this installation. It decides host checks, "
            "cross-site checks and cookie flags.",
            cure="Write it like https://board.example.org",
        ),
    ] = "http://localhost:8000"
    database_url: Annotated[
        DatabaseAddress,
        Field(repr=False),
        About("The database, without a driver.", cure=f"Write it like {SHAPES}", secret=True),
    ] = "sqlite:///var/trivet.sqlite3"
    database_pooler: Annotated[
        Pooler,
        Lowered,
        DatabasePooler,
        About(
            "What stands in front of PostgreSQL at TRIVET_DATABASE_URL: nothing, or a pooler such "
            "as PgBouncer, which lends a connection for a session or for one transaction.",
            "none, session or transaction",
            cure="Write it like the pool_mode of the pooler, or none",
        ),
    ] = "none"
    direct_database_url: Annotated[
        str,
        Field(repr=False, validate_default=True),
        DirectAddress,
        About(
            "The same database without the pooler, for migrations and notifications. Empty: "
            "TRIVET_DATABASE_URL leads to the server itself.",
            cure="Write it like postgresql://user:password@host:5432/database",
            secret=True,
        ),
    ] = ""
    replica_urls: Annotated[
        ReplicaAddresses,
        Field(repr=False),
        About(
            "Streaming replicas of PostgreSQL, from which requests of safe methods read; what a "
            "client has written it reads everywhere. Empty: everything is read from "
            "TRIVET_DATABASE_URL.",
            "addresses, comma-separated or JSON",
            cure="Write it like postgresql://user:password@db2/board,"
            "postgresql://user:password@db3/board, with a PostgreSQL address in "
            "TRIVET_DATABASE_URL",
            secret=True,
        ),
    ] = ()
    replica_wait_seconds: Annotated[
        float,
        Field(ge=0, le=10),
        About(
            "How long a request waits for a replica to have what its client has written; after "
            "that it reads from the primary.",
            "seconds",
        ),
    ] = 0.2
    replica_lag_seconds: Annotated[
        float,
        Field(gt=0, le=600),
        About(
            "How far a replica may be behind the primary; from one that is further behind nobody "
            "reads.",
            "seconds",
        ),
    ] = 10.0
    database_connections: Annotated[
        int,
        Field(ge=1, le=1000),
        About(
            "Largest number of connections that serve the API and the sockets, to each server of "
            "the database.",
            "connections a process",
        ),
    ] = 10
    statement_seconds: Annotated[
        float,
        Field(gt=0, le=86_400),
        About(
            "How long one statement of the database may take in a process that serves; after "
            "that the request is answered with 503. Commands have no limit.",
            "seconds",
        ),
    ] = 30.0
    audit_keys: Annotated[
        tuple[SecretStr, ...],
        *Listed,
        About(
            "Authenticate the audit trail, the newest first; the older ones are still accepted. "
            "Empty: the secret key does it.",
            "secrets, comma-separated or JSON",
            cure="Make one with: trivet secret --print",
            secret=True,
        ),
    ] = ()
    features: Annotated[
        FeatureNames,
        About(
            "The feature packages to load.",
            "package names, comma-separated or JSON",
            cure="Write it like departures,shop.orders",
        ),
    ] = ()
    rooms: Annotated[
        tuple[Room, ...],
        *Listed,
        NonEmptyRooms,
        Observers,
        About(
            "Which rooms this process serves.",
            "any of api, admin, realtime, comma-separated or JSON",
            cure="Write it like api,admin,realtime",
        ),
    ] = ("api", "admin", "realtime")
    extra_mounts: Annotated[
        Mounts,
        About(
            "Other applications to mount, by prefix.",
            "JSON object of prefix to asgi:module:attribute or wsgi:module:attribute",
            cure='Write it like {"/legacy": "wsgi:shop.flask_app:app"}',
        ),
    ] = Field(default_factory=lambda: MappingProxyType({}))
    mount_policies: Annotated[
        MountPolicies,
        About(
            "Who may use an extra mount; Trivet checks it before the mount is called. A mount "
            "that is not named here decides by itself (its-own).",
            "JSON object of prefix to public, authenticated, staff, its-own or app.permission",
            cure='Write it like {"/legacy": "staff"}',
        ),
    ] = Field(default_factory=lambda: MappingProxyType({}))
    mount_commits_on: Annotated[
        MountCommits,
        About(
            "Refusals of an extra mount that keep what the request did (a logout that answers "
            "401). Without it, every request that is answered with 400 or more is rolled back.",
            "JSON object of prefix to a list of statuses from 400 to 499",
            cure='Write it like {"/accounts": [401, 409]}',
        ),
    ] = Field(default_factory=lambda: MappingProxyType({}))
    mount_body_limits: Annotated[
        MountLimits,
        About(
            "Largest request body of an extra mount, where it is another one than "
            "TRIVET_BODY_LIMIT_BYTES.",
            "JSON object of prefix to bytes",
            cure='Write it like {"/legacy": 209715200}',
        ),
    ] = Field(default_factory=lambda: MappingProxyType({}))
    direct_answers: Annotated[
        bool,
        About(
            "Answer plain GET routes of the API without FastAPI's machinery, which makes them "
            "three times as fast. Off: FastAPI gives the same answers."
        ),
    ] = True
    django_threads: Annotated[
        int,
        Field(ge=1, le=1000),
        About("Bound of concurrent Django requests; each has a thread.", "threads a process"),
    ] = 8
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
    session_hours: Annotated[float, Field(gt=0), About("How long a login lasts.", "hours")] = 12.0
    identity_cache_seconds: Annotated[
        float,
        Field(ge=0, le=300),
        About(
            "How long the identity behind a credential is cached; 0: not at all. A revocation "
            "removes it at once in its own process.",
            "seconds",
        ),
    ] = 5.0
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
        LongSecrets,
    ] = ()
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
        float, Field(gt=0), About("How long publications are kept for recovery.", "hours")
    ] = 24.0
    ping_seconds: Annotated[
        int, Field(ge=1, le=3600), About("How often a socket is pinged.", "seconds")
    ] = 25
    message_limit_bytes: Annotated[
        int, Field(ge=1024), About("Largest message that a socket may send.", "bytes")
    ] = 64 * 1024
    keep_alive_seconds: Annotated[
        float,
        Field(gt=0, le=86_400),
        About(
            "How long a connection may be idle between two requests. More than the idle time of "
            "the balancer in front, or its next request meets a connection that just closed.",
            "seconds",
        ),
    ] = 75.0
    worker_seconds: Annotated[
        int,
        Field(ge=0, le=86_400),
        About(
            "How long a worker of `trivet serve` may be stuck in one blocking call before it is "
            "killed; 0: for ever.",
            "seconds",
        ),
    ] = 30
    worker_requests: Annotated[
        int,
        Field(ge=0),
        About(
            "After how many a worker of `trivet serve` is replaced by a new one; 0: never.",
            "requests",
        ),
    ] = 0
    worker_requests_jitter: Annotated[
        int,
        Field(ge=0),
        About(
            "Up to how many more each worker serves, by chance, so that they are not all replaced "
            "at once.",
            "requests",
        ),
    ] = 0
    blocked_seconds: Annotated[
        float,
        Field(ge=0, le=3600),
        About(
            "How long the event loop may be blocked before the log says by which code; 0: it "
            "never says.",
            "seconds",
        ),
    ] = 1.0
    shutdown_seconds: Annotated[
        int,
        Field(ge=1, le=3600),
        About("How long a stopping process waits for open requests and sockets.", "seconds"),
    ] = 10
    observers: Annotated[
        Observers,
        About(
            "Functions that add listeners for metrics, traces or alarms.",
            "module:function, comma-separated or JSON",
            cure="Write it like shop.metrics:observe",
        ),
    ] = ()
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
    log_format: Annotated[
        Literal["console", "json"], Lowered, About("How log lines are written.", "console or json")
    ] = "console"
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"],
        Lowered,
        About("The least severe level that is logged.", "debug, info, warning or error"),
    ] = "info"

    @cached_property
    def audit_secrets(self) -> tuple[str, ...]:
        """The secrets that authenticate the audit trail, the newest first; never empty."""
        keys = self.audit_keys or (self.secret_key,)
        return tuple(key.get_secret_value() for key in keys)

    @property
    def title(self) -> str:
        """The title of pages in a browser's tabs."""
        return self.site_title or self.name

    @cached_property
    def database(self) -> DatabaseUrl:
        """`database_url` in parts."""
        return DatabaseUrl.parse(self.database_url)

    @cached_property
    def replicas(self) -> tuple[DatabaseUrl, ...]:
        """`replica_urls` in parts."""
        return tuple(map(DatabaseUrl.parse, self.replica_urls))

    @property
    def direct(self) -> "Settings":
        """These settings for a process whose work cannot pass a pooler: the direct address, if
        there is one, is the database's."""
        changed = {
            "database_url": self.direct_database_url or self.database_url,
            "database_pooler": "none",
            "direct_database_url": "",
            "replica_urls": (),
        }
        copy = self.model_copy(update=changed)
        copy.__dict__.pop("database", None)  # the parts of the other address, if they were asked
        return copy

    @cached_property
    def broker_address(self) -> str:
        """`broker` with its default: ``memory``, ``postgresql`` or the address of a server."""
        named = self.broker.get_secret_value()
        return named or ("memory" if self.database.is_sqlite else "postgresql")

    @cached_property
    def public(self) -> PublicUrl:
        """`public_url` in parts."""
        return PublicUrl.parse(self.public_url)

    @property
    def origin(self) -> str:
        """Scheme, host and port of the public address."""
        return self.public.origin

    @property
    def hosts(self) -> tuple[str, ...]:
        """Host names that requests may carry, without ports."""
        return self.public.hosts

    @property
    def csrf_origins(self) -> tuple[str, ...]:
        """Origins whose unsafe requests count as this site's own."""
        return (*self.public.origins, *self.trusted_origins)

    @property
    def secure_cookies(self) -> bool:
        """Whether cookies may travel only over HTTPS."""
        return self.public.is_secure

    @property
    def root_path(self) -> str:
        """The path of the public address, which a proxy in front strips; mostly empty."""
        return self.public.path
