"""One unit of work for a command: opened, committed and closed before the command ends."""

from collections.abc import Callable
from typing import TypeVar

import anyio
import anyio.to_thread
from sqlalchemy.orm import Session

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
    enter_origin(Origin(way="cli"))
    from trivet_deploy.composition import open_platform_with_django
    from trivet_deploy.schema import require_database

    require_database(settings)
    platform = open_platform_with_django(settings)

    async def run() -> T:
        try:
            async with platform.open_unit(actor=system(actor), read_only=read_only) as unit:
                return await unit.run(service)
        finally:
            await platform.database.close()
            await anyio.to_thread.run_sync(platform.broker.close)

    return anyio.run(run)
