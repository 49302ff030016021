"""The hall without rooms: a platform on SQLite, and whatever a test mounts on it.

Nothing here needs a table, so these tests run once, on a database file that is never made.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp

from trivet import Platform
from trivet.asgi.mount import MountedApp
from trivet.asgi.root import Root, build_root
from trivet.features import Feature
from trivet.identity.accounts import SessionCookie
from trivet.platform import open_platform
from trivet_settings import Settings

ORIGIN = "http://localhost:8000"


class NoAccounts:
    """A house of users in which nobody lives."""

    cookie_name = "sessionid"

    async def log_in(
        self, connection: HTTPConnection, username: str, password: str
    ) -> SessionCookie | None:
        return None

    async def log_out(self, connection: HTTPConnection) -> None: ...


def bare_platform(
    tmp_path: Path, *, features: tuple[Feature, ...] = (), **settings: Any
) -> Platform:
    """A platform with `features`; `settings` override the defaults."""
    values: dict[str, Any] = {
        "secret_key": "a-secret-of-the-tests-that-guards-nothing-at-all",
        "database_url": f"sqlite:///{tmp_path / 'bare.sqlite3'}",
        "public_url": ORIGIN,
    }
    return open_platform(Settings(**values | settings), features, accounts=NoAccounts())


def mounted(app: ASGIApp, prefix: str = "/app", **options: Any) -> MountedApp:
    return MountedApp(name=prefix.strip("/"), prefix=prefix, app=app, **options)


def bare_root(tmp_path: Path, mounts: Sequence[MountedApp], **settings: Any) -> Root:
    return build_root(bare_platform(tmp_path, **settings), mounts)


@asynccontextmanager
async def client_of(app: ASGIApp, **options: Any) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of `app`, without a server and without its lifespan."""
    transport = httpx2.ASGITransport(app=app, raise_app_exceptions=False, **options)
    async with httpx2.AsyncClient(transport=transport, base_url=ORIGIN) as client:
        yield client
