"""The platform: the parts that all rooms share, for the life of the process."""

import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Concatenate, ParamSpec, TypeVar

import anyio
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session

from trivet.broker import Broker
from trivet.data.capture import Capture, compose_capture
from trivet.data.database import Database
from trivet.data.django import DjangoTransactions
from trivet.data.replicas.client import ClientPosition
from trivet.data.replicas.reading import ReplicaReads
from trivet.data.replicas.replica import Replica
from trivet.data.replicas.router import Replicas
from trivet.data.transaction import AsyncTransaction
from trivet.data.unit_of_work import UnitOfWork
from trivet.delivery.opening import measure_broker, open_broker
from trivet.delivery.relay import Relay
from trivet.delivery.retention import Retention
from trivet.delivery.surveys import Surveys
from trivet.events.feeds import FeedRegistry
from trivet.events.wake_up import publish_wake_up
from trivet.features import Feature
from trivet.idempotency.claim import IdempotencyKeys
from trivet.idempotency.expiry import KeptAnswers
from trivet.identity import Identity, Revocation
from trivet.identity.accounts import Accounts
from trivet.identity.cache import IdentityCache
from trivet.identity.expired_sessions import ExpiredSessions
from trivet.identity.key_usage import KeyUses
from trivet.identity.throttle import LoginThrottle
from trivet.identity.tokens import Tokens, open_tokens
from trivet.lifecycle import Lifecycle
from trivet.observation import Observers, reason_of
from trivet.origin import Origin, current_origin
from trivet_settings import Settings

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Platform:
    """The parts that all rooms share. Nothing of it changes while the process lives.

    Features use `open_unit`, `run_with_django`, `tokens` and `settings`. The other attributes serve
    the rooms, and their own attributes and methods are internal.

    Attributes:
        settings: The settings of the process.
        features: The features that it has loaded, in the order of the settings.
        accounts: Login and logout with Django's users.
        broker: The carrier of messages between processes.
        identities: The cache of identities.
        key_uses: The times at which API keys were used last.
        expired_sessions: The removal of sessions that have expired.
        login_throttle: The counters of failed logins.
        tokens: Makes the tokens with which sockets connect and subscribe.
        capture: The feeds, the audit trail and the rules.
        database: The connections of the event loop.
        relay: The delivery of publications.
        retention: The removal of publications that are past their time.
        idempotency: The keys that requests of this process work on.
        kept_answers: The removal of answers that are past their time.
        surveys: Asks all processes that serve sockets what they have.
        django: The transactions that both ORMs share; None without Django.
        observers: The listeners of this process.
        lifecycle: The state of the process.
        replicas: The replicas that requests of safe methods read from; None without any.
    """

    settings: Settings
    features: tuple[Feature, ...]
    accounts: Accounts
    broker: Broker
    identities: IdentityCache
    key_uses: KeyUses
    expired_sessions: ExpiredSessions
    login_throttle: LoginThrottle
    tokens: Tokens
    capture: Capture
    database: Database
    relay: Relay
    retention: Retention
    idempotency: IdempotencyKeys
    kept_answers: KeptAnswers
    surveys: Surveys
    django: DjangoTransactions | None = None
    observers: Observers = field(default_factory=Observers)
    lifecycle: Lifecycle = field(default_factory=Lifecycle)
    replicas: Replicas | None = None

    @property
    def feeds(self) -> FeedRegistry:
        """The feeds of every feature."""
        return self.capture.feeds

    def open_transaction(
        self,
        find_origin: Callable[[], Origin] = current_origin,
        *,
        read_only: bool = False,
        client: ClientPosition | None = None,
    ) -> AsyncTransaction:
        """A transaction that has not begun yet. It is for rooms: features use `open_unit`.

        The caller has to end it.

        Args:
            find_origin: A function that returns the origin of the changes. It is called when the
                transaction begins.
            read_only: Refuse writes, and see the data of one moment.
            client: With `read_only`: read from a replica that shows everything that this client
                has to see, if there is one. Without it, everything is read from the primary.
        """
        reads = None
        if self.replicas is not None and client is not None:
            reads = ReplicaReads(self.replicas, client)
        return AsyncTransaction(
            self.database, self.django, find_origin, read_only=read_only, reads=reads
        )

    @asynccontextmanager
    async def open_unit(
        self,
        origin: Origin | None = None,
        *,
        actor: Identity | None = None,
        read_only: bool = False,
    ) -> AsyncIterator[UnitOfWork[AsyncSession]]:
        """A unit of work of its own: for a socket's message, a command, work after a response.

        It commits at the end of the block and rolls back on an exception.

        Args:
            origin: The origin of the changes; by default that of the current task.
            actor: The identity that acts; by default the actor of the origin.
            read_only: Refuse writes, and see the data of one moment.

        Yields:
            The unit. Its session cannot end the transaction.
        """
        where = (origin or current_origin()).by(actor)
        transaction = self.open_transaction(lambda: where, read_only=read_only)
        try:
            yield UnitOfWork(transaction)
            published = await transaction.commit()
        finally:
            with anyio.CancelScope(shield=True):
                await transaction.close(reason_of(sys.exception()))
        self.database.on_published(published)

    async def run_with_django(
        self,
        service: Callable[Concatenate[Session, Identity, P], T],
        *args: P.args,
        **options: P.kwargs,
    ) -> T:
        """Run ``service(db, actor, …)`` in a unit of its own, in which both ORMs share one
        transaction. It is for work after a response, or outside of a request.

        The service runs on a thread of a bounded pool. The unit is committed when the service
        returns, and rolled back if it raises.

        Args:
            service: The function. It may neither commit nor roll back.
            *args: Its arguments after `db` and `actor`.
            **options: Its keyword arguments.

        Returns:
            The value that the service returns.

        Raises:
            RuntimeError: The platform has no Django.
            Unavailable: No thread is free in time (503).
        """
        async with self.open_unit() as unit:
            return await unit.run_with_django(service, *args, **options)


def open_platform(
    settings: Settings,
    features: tuple[Feature, ...],
    *,
    accounts: Accounts,
    broker: Broker | None = None,
    observers: Observers | None = None,
    django: DjangoTransactions | None = None,
    capture: Capture | None = None,
    serves: bool = True,
) -> Platform:
    """Put the shared parts together. Nothing connects before it is needed.

    `capture` is passed where it was composed before, because Django needs the same one. A process
    that does not serve, as a command, limits no statement, and reads from the primary.

    Raises ConfigurationError if the database would change fed or audited rows by itself, or if the
    keys of tokens cannot be read.
    """
    capture = capture or compose_capture(features, settings.audit_secrets)
    broker, observers = broker or open_broker(settings), observers or Observers()
    if broker.state.is_shared:
        observers.measure(partial(measure_broker, broker))
    database = _open_database(settings, capture, broker, observers, serves=serves)
    identities = IdentityCache(seconds=settings.identity_cache_seconds)
    broker.subscribe(Revocation, identities.forget)
    broker.subscribe(Revocation, observers.emit)
    relay = Relay(database, broker, settings.poll_seconds, observers)
    return Platform(
        settings=settings,
        features=features,
        accounts=accounts,
        broker=broker,
        observers=observers,
        identities=identities,
        key_uses=KeyUses(database),
        expired_sessions=ExpiredSessions(database),
        login_throttle=LoginThrottle(settings.throttle_store.get_secret_value()),
        tokens=open_tokens(settings),
        capture=capture,
        database=database,
        relay=relay,
        retention=Retention(database, settings.history_hours, watched=lambda: relay.watched),
        idempotency=_open_keys(settings),
        kept_answers=KeptAnswers(database, settings.idempotency_hours),
        surveys=Surveys(broker, database),
        django=django,
        replicas=_open_replicas(settings, database) if serves and settings.replica_urls else None,
    )


def _open_database(
    settings: Settings, capture: Capture, broker: Broker, observers: Observers, *, serves: bool
) -> Database:
    return Database(
        settings.database_url,
        capture=capture,
        on_published=partial(publish_wake_up, broker),
        on_revoked=broker.publish,
        observers=observers,
        connections=settings.database_connections,
        pooler=settings.database_pooler,
        statement_seconds=settings.statement_seconds if serves else None,
    )


def _open_keys(settings: Settings) -> IdempotencyKeys:
    return IdempotencyKeys(
        hours=settings.idempotency_hours,
        wait_seconds=settings.idempotency_wait_seconds,
        answer_bytes=settings.idempotency_answer_bytes,
    )


def _open_replicas(settings: Settings, database: Database) -> Replicas:
    return Replicas(
        [
            Replica(
                address,
                connections=settings.database_connections,
                observers=database.observers,
                pooler=settings.database_pooler,
                statement_seconds=database.statement_seconds,
            )
            for address in settings.replica_urls
        ],
        database,
        wait_seconds=settings.replica_wait_seconds,
        lag_seconds=settings.replica_lag_seconds,
        pooler=settings.database_pooler,
    )
