"""The platform: what every room is given, for the life of the process.

The module's name has an underscore because a package called ``platform`` is Python's.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Concatenate, ParamSpec, TypeVar

import anyio
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session

from trivet.audit.audited_tables import require_audited
from trivet.audit.trail import AuditTrail
from trivet.context import RequestContext
from trivet.data.database import Database
from trivet.data.django import DjangoTransaction, DjangoTransactions
from trivet.delivery.broker import Bell
from trivet.delivery.relay import Relay
from trivet.events.feeds import FeedRegistry, collect_feeds
from trivet.features import Feature, modules_of
from trivet.identity import Accounts, Identity, Revocations
from trivet.identity.cache import IdentityCache
from trivet.identity.key_usage import KeyUses
from trivet.identity.throttle import LoginThrottle
from trivet_settings import Settings

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Platform:
    """The shared parts. Frozen: nothing of it changes while the process lives."""

    settings: Settings
    features: tuple[Feature, ...]
    accounts: Accounts
    revocations: Revocations
    identities: IdentityCache
    key_uses: KeyUses
    login_throttle: LoginThrottle
    feeds: FeedRegistry
    bell: Bell
    database: Database
    relay: Relay
    django: DjangoTransactions | None = None

    def unit(
        self, context: RequestContext | None = None, *, actor: Identity | None = None
    ) -> AbstractAsyncContextManager[AsyncSession]:
        """A unit of work of its own, for a socket's message or background work: commits at
        the end of the block, rolls back on an exception."""
        return self.database.unit(context, actor=actor)

    async def run_with_django(
        self,
        service: Callable[Concatenate[Session, P], T],
        *args: P.args,
        **options: P.kwargs,
    ) -> T:
        """Run `service` in a unit of its own in which both ORMs share one transaction: for
        work after a response, or outside of any request.

        It runs on a bounded thread, is committed when it returns, and rings the bell.
        """
        transaction = await self.open_django()
        try:
            result = await transaction.run(lambda db: service(db, *args, **options))
            self.bell.ring(await transaction.commit())
            return result
        finally:
            with anyio.CancelScope(shield=True):
                await transaction.close()

    async def open_django(self, *, read_only: bool = False) -> DjangoTransaction:
        """A transaction that both ORMs share; whoever opens it closes it.

        Raises RuntimeError on a platform that was put together without Django.
        """
        if self.django is None:
            raise RuntimeError("this platform was put together without Django")
        return await self.django.open(read_only=read_only)

    @asynccontextmanager
    async def lifespan(self) -> AsyncIterator[None]:
        """The relay runs inside, and the uses of keys are written; the connections are closed
        behind them."""
        try:
            async with self.relay.running(), self.key_uses.running():
                yield
        finally:
            await self.database.close()


def open_platform(
    settings: Settings,
    features: tuple[Feature, ...],
    *,
    accounts: Accounts,
    revocations: Revocations | None = None,
    django: DjangoTransactions | None = None,
) -> Platform:
    """Put the shared parts together. Nothing connects before it is needed.

    Raises ConfigurationError where the database would change fed or audited rows by itself.
    """
    require_audited()
    bell = Bell()
    feeds = collect_feeds(module for _, module in modules_of(features, "events"))
    database = Database(
        settings.database_url,
        feeds=feeds,
        bell=bell,
        audit=AuditTrail(settings.audit_secrets),
        connections=settings.database_connections,
    )
    revocations = revocations or Revocations()
    identities = IdentityCache(seconds=settings.identity_cache_seconds)
    revocations.subscribe(identities.forget)
    return Platform(
        settings=settings,
        features=features,
        accounts=accounts,
        revocations=revocations,
        identities=identities,
        key_uses=KeyUses(database),
        login_throttle=LoginThrottle(settings.throttle_store.get_secret_value()),
        feeds=feeds,
        bell=bell,
        database=database,
        relay=Relay(database, bell, settings.poll_seconds, settings.history_hours),
        django=django,
    )
