"""The section of the settings about databases."""

from typing import Annotated

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings

from trivet_settings.database_url import SHAPES
from trivet_settings.description import About
from trivet_settings.values import (
    DatabaseAddress,
    DatabasePooler,
    DirectAddress,
    Listed,
    Lowered,
    Pooler,
    ReplicaAddresses,
)


class DataSettings(BaseSettings):
    """The databases: their addresses, their limits, and the keys of the audit trail."""

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
