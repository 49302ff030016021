"""Notes that endpoints write: the root around them, and what another connection sees."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import anyio
import anyio.to_thread
import httpx2
from sqlalchemy import create_engine, text
from sqlalchemy.pool import QueuePool
from starlette.routing import Route, Router

from tests.platform.bare import bare_platform, client_of, mounted
from tests.platform.notes import feeds
from trivet import Platform
from trivet.asgi.root import Root, build_root
from trivet.data.capture import Capture


def count_notes(url: str) -> int:
    """What another connection sees."""
    engine = create_engine(url.replace("postgresql:", "postgresql+psycopg:"))
    with engine.connect() as connection:
        count: int = connection.execute(text("SELECT count(*) FROM test_note")).scalar_one()
    engine.dispose()
    return count


@dataclass
class House:
    url: str
    platform: Platform
    root: Root
    client: httpx2.AsyncClient

    async def count(self) -> int:
        return await anyio.to_thread.run_sync(count_notes, self.url)

    def connections_in_use(self) -> int:
        pool = self.platform.database.engine.pool
        assert isinstance(pool, QueuePool)
        return pool.checkedout()


@asynccontextmanager
async def house_of(routes: Sequence[Route], url: str, directory: Path) -> AsyncIterator[House]:
    """A root with one mount of `routes`, and a client."""
    platform = bare_platform(directory, database_url=url)
    platform.database.capture = Capture(feeds())
    root = build_root(platform, [mounted(Router(routes))])
    root.url = url  # type: ignore[attr-defined]  # for the endpoints
    root.tasks = []  # type: ignore[attr-defined]  # as above
    root.waiting = anyio.Event()  # type: ignore[attr-defined]  # as above
    async with client_of(root) as client:
        yield House(url, platform, root, client)
    await platform.database.close()
