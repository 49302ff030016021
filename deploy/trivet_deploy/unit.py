"""One unit of work for a command: opened, committed and closed before the command ends."""

from collections.abc import Callable
from typing import TypeVar

import anyio
from sqlalchemy.orm import Session

from trivet.context import enter_origin
from trivet.identity import system
from trivet_settings import Settings

T = TypeVar("T")


def run_in_unit(
    settings: Settings,
    work: Callable[[Session], T],
    *,
    actor: str = "cli",
    read_only: bool = False,
) -> T:
    """Run `work` in a unit of a platform of its own, as the product's own identity `actor`.

    What it changes is published like any other change; servers that run hear of it by polling.
    With `read_only` it may change nothing, and sees one moment.
    """
    enter_origin("cli")
    from trivet_deploy.composition import open_platform_with_django

    platform = open_platform_with_django(settings)

    async def run() -> T:
        try:
            unit = platform.database.unit(actor=system(actor), read_only=read_only)
            async with unit as session:
                return await session.run_sync(work)
        finally:
            await platform.database.close()

    return anyio.run(run)
