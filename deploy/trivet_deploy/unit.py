"""One unit of work for a command: opened, committed and closed before the command ends."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

import anyio
import anyio.to_thread
from sqlalchemy.orm import Session

from trivet import Platform
from trivet.identity import Identity, system
from trivet.origin import Origin, enter_origin
from trivet_settings import Settings

T = TypeVar("T")


def run_in_unit(
    settings: Settings,
    service: Callable[[Session, Identity], T],
    *,
    actor: str = "cli",
    read_only: bool = False,
) -> T:
    """Run ``service(db, actor)`` in a unit of a platform of its own; the actor is the product's
    own identity named `actor`.

    What it changes is published and revoked like any other change: servers that run are told by
    the broker, or find it by polls.
    With `read_only` it may change nothing, and sees one moment.
    """

    async def run(platform: Platform) -> T:
        async with platform.open_unit(actor=system(actor), read_only=read_only) as unit:
            return await unit.run(service)

    return run_with_platform(settings, run)


def run_with_platform(
    settings: Settings, work: Callable[[Platform], Awaitable[T]], *, listens: bool = False
) -> T:
    """Run `work` with a platform of its own, on an event loop that ends with it.

    With `listens` the command hears the processes of a server while it works, as far as a broker
    joins them. Without it, it can tell them something, and hears nothing.
    """
    enter_origin(Origin(way="cli"))
    from trivet_deploy.composition import open_platform_with_django
    from trivet_deploy.schema import require_database

    require_database(settings)
    platform = open_platform_with_django(settings)

    async def run() -> T:
        try:
            if listens:
                await platform.broker.start()
            return await work(platform)
        finally:
            with anyio.CancelScope(shield=True):
                await platform.broker.stop()
                await platform.database.close()
                await anyio.to_thread.run_sync(platform.broker.close)

    return anyio.run(run)
