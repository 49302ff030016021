"""Notes that are added under an Idempotency-Key: the API around them, and what the database holds.

A caller is who the header ``x-user`` names: an id, and permissions after a colon.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
from fastapi import APIRouter, FastAPI
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.requests import HTTPConnection

from tests.platform.bare import bare_platform, client_of
from tests.platform.notes import Note, feeds, published
from trivet import Identity, Platform
from trivet.asgi.mount import MountedApp
from trivet.asgi.root import build_root
from trivet.data.capture import Capture
from trivet.idempotency.tables import IdempotencyKey
from trivet_api.answers import HttpAnswers
from trivet_api.direct import answer_directly
from trivet_api.include import include
from trivet_api.policy import PolicyRoute
from trivet_api.problems import install_problems


class ByName:
    """Believes whatever a caller says of itself."""

    is_ambient = False

    def find_credential(self, connection: HTTPConnection) -> str | None:
        return connection.headers.get("x-user")

    async def authenticate(self, credential: str, session: AsyncSession) -> Identity | None:
        user, _, permissions = credential.partition(":")
        names = frozenset(permissions.split(",")) if permissions else frozenset[str]()
        return Identity(int(user), f"user{user}", "session", permissions=names)


@dataclass
class House:
    """One process: its platform, a client of it, and how often its endpoints ran."""

    platform: Platform
    client: httpx2.AsyncClient
    app: FastAPI
    calls: list[str] = field(default_factory=list)

    async def post(self, text: str, key: str | None, user: str = "1", **options: Any) -> Any:
        """Add a note."""
        headers = {"x-user": user} | ({} if key is None else {"idempotency-key": key})
        headers |= options.pop("headers", {})
        path = options.pop("path", "/api/notes")
        return await self.client.request(
            options.pop("method", "POST"), path, json={"text": text}, headers=headers, **options
        )

    async def notes(self) -> list[str]:
        async with self.platform.database.unit(read_only=True) as session:
            return list(await session.scalars(select(Note.text).order_by(Note.id)))

    async def kept(self) -> int:
        async with self.platform.database.unit(read_only=True) as session:
            query = select(func.count()).select_from(IdempotencyKey)
            return int(await session.scalar(query) or 0)

    async def publications(self) -> int:
        return len(await published(self.platform.database, "notes:a"))


@asynccontextmanager
async def keyed_house(
    router: APIRouter, url: str, directory: Path, *, is_proved: bool = True, **settings: Any
) -> AsyncIterator[House]:
    """A process that serves `router`; several may stand on one database. Unless `is_proved`, the
    routes are FastAPI's own, as on a release of it that was not proved."""
    # Whoever has lost a permission has lost it at once.
    given = {"identity_cache_seconds": 0, **settings}
    platform = bare_platform(directory, database_url=url, **given)
    platform.database.capture = Capture(feeds())
    app = FastAPI()
    install_problems(app)
    if is_proved:
        app.router.route_class = PolicyRoute
        include(app, router)
    else:
        app.include_router(router)
    answer = answer_directly(app) if is_proved else app
    mounted = MountedApp("api", "/api", HttpAnswers(app, answer), lifespan=False)
    root = build_root(platform, [mounted], authenticators=[ByName()])
    async with client_of(root) as client:
        house = House(platform, client, app)
        app.state.house = house
        app.state.go = asyncio.Event()
        app.state.entered = asyncio.Event()
        yield house
    await platform.database.close()
