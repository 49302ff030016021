"""A house with the realtime room alone, on a real server, and sockets to it.

The server runs in the event loop of the test, so that what blocks it fails the test.
"""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import uvicorn
from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.requests import HTTPConnection
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tests.realtime.beacons.models import Beacon
from tests.realtime.lounge.models import Remark
from tests.services.databases import SECRET_KEY
from tests.services.processes import free_port
from trivet import Identity, Model, Platform
from trivet.asgi.mount import MountedApp
from trivet.asgi.root import Root, build_root
from trivet.audit.tables import AuditChain, AuditEntry
from trivet.broker import Broker
from trivet.delivery.presence import PresenceNode, PresenceRow
from trivet.events.outbox import Channel, PublicationRow
from trivet.features import load_features
from trivet.identity import django_tables
from trivet.identity.accounts import SessionCookie
from trivet.identity.keys import ApiKey
from trivet.observation import Observers
from trivet.platform import open_platform
from trivet_deploy.server.frames_protocol import FramesProtocol
from trivet_realtime.bounds import Bounds
from trivet_realtime.mount import mount
from trivet_settings import load_settings

FEATURES = ("tests.realtime.beacons", "tests.realtime.lounge", "tests.realtime.study")
PRESENCE = (PresenceNode, PresenceRow)
TABLES = (Channel, PublicationRow, AuditChain, AuditEntry, ApiKey, *PRESENCE, Beacon, Remark)
PEOPLE = (
    django_tables.users,
    django_tables.sessions,
    django_tables.content_types,
    django_tables.permissions,
    django_tables.group_permissions,
    django_tables.user_groups,
    django_tables.user_permissions,
)
"""Django's tables, for whom a token names."""
BRIEF_SECONDS = 1.0
SECONDS = 30.0
"""How long a test waits for what has to come."""


class NoAccounts:
    """A house that nobody can log in to; its identities come from `Badges`."""

    cookie_name = "none"

    async def log_in(
        self, connection: HTTPConnection, username: str, password: str
    ) -> SessionCookie | None:
        return None

    async def log_out(self, connection: HTTPConnection) -> None:
        return None


class Badges:
    """Believes the header ``x-badge``, or ``?badge=`` where no header can be set: ``7`` is a
    user, ``7 staff`` one of the staff, ``7 brief`` one whose badge soon ends."""

    is_ambient = False

    def find_credential(self, connection: HTTPConnection) -> str | None:
        return connection.headers.get("x-badge") or connection.query_params.get("badge")

    async def authenticate(self, credential: str, session: AsyncSession) -> Identity | None:
        number, _, rank = credential.partition(" ")
        return Identity(
            user_id=int(number),
            username=f"user {number}",
            kind="key",
            is_staff=rank == "staff",
            credential_id=f"badge-{number}",
            expires_at=_soon() if rank == "brief" else None,
        )


def _soon() -> datetime:
    return datetime.now(UTC) + timedelta(seconds=BRIEF_SECONDS)


class Socket:
    """One client: JSON objects out and in, one at a time."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection
        self._received: list[Any] = []

    async def send(self, *objects: Any) -> None:
        """Send objects in one frame; a string goes as it is."""
        lines = [each if isinstance(each, str) else json.dumps(each) for each in objects]
        await self.connection.send("\n".join(lines))

    async def receive(self) -> Any:
        """The next object. Raises ConnectionClosed if there will be none."""
        if not self._received:
            frame = await asyncio.wait_for(self.connection.recv(decode=True), SECONDS)
            self._received = [json.loads(line) for line in frame.split("\n")]
        return self._received.pop(0)

    async def receive_all(self, count: int) -> list[Any]:
        return [await self.receive() for _ in range(count)]

    async def ask(self, command: Any) -> Any:
        """Send one command and return what comes next."""
        await self.send(command)
        return await self.receive()

    async def connect(self, **options: Any) -> Any:
        """Connect and return the result; a KeyError if there is none."""
        return (await self.ask({"id": 1, "connect": options}))["connect"]

    async def subscribe(self, channel: str, **options: Any) -> Any:
        """Subscribe and return the result; a KeyError if there is none."""
        reply = await self.ask({"id": 2, "subscribe": {"channel": channel, **options}})
        return reply["subscribe"]

    async def publications(self, count: int) -> list[tuple[int, str]]:
        """The next `count` pushes, as offsets and labels; they must be publications."""
        pushes: list[Any] = []
        while len(pushes) < count:
            received = await self.receive()
            if received:
                pushes.append(received["push"]["pub"])
            else:
                await self.send({})  # a ping, which on a slow machine comes in between
        return [(push["offset"], push["data"]["label"]) for push in pushes]

    async def closing(self) -> tuple[int, str]:
        """Wait for the end and return its code and reason; objects before it are dropped."""
        with contextlib.suppress(ConnectionClosed):
            while True:
                await self.receive()
        code, reason = self.connection.close_code, self.connection.close_reason
        assert code is not None
        return code, reason or ""


@dataclass(slots=True)
class House:
    """A served house. `url` is that of its sockets."""

    platform: Platform
    port: int
    mounts: Sequence[MountedApp] = ()

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/ws"

    @asynccontextmanager
    async def socket(
        self, badge: str = "", cookie: str = "", url: str = "", **options: Any
    ) -> AsyncIterator[Socket]:
        """A socket that has not connected in the protocol's sense; `badge` says who."""
        given = {"x-badge": badge, "cookie": cookie}
        headers = {name: value for name, value in given.items() if value}
        async with connect(
            url or self.url, additional_headers=headers, proxy=None, **options
        ) as connection:
            yield Socket(connection)

    async def light(self, harbour: str, *labels: str) -> None:
        """Light beacons one after the other, all in one transaction."""
        async with self.platform.database.unit() as session:
            session.add_all([Beacon(harbour=harbour, label=label) for label in labels])

    async def add_user(self, number: int, **attributes: Any) -> None:
        """Add a user to Django's table."""
        columns = {"password": "", "email": "", "first_name": "", "last_name": ""}
        switches = {"is_active": True, "is_staff": False, "is_superuser": False}
        named = {"id": number, "username": f"user {number}", "date_joined": datetime.now(UTC)}
        async with self.platform.database.engine.begin() as connection:
            values = {**columns, **switches, **named, **attributes}
            await connection.execute(insert(django_tables.users).values(**values))


def open_platform_with_django(
    database_url: str,
    broker: Broker | None = None,
    observers: Observers | None = None,
    features: Sequence[str] = FEATURES,
    **settings: Any,
) -> Platform:
    """A platform with the features of these tests."""
    given = {
        "database_url": database_url,
        "secret_key": SECRET_KEY,
        "poll_seconds": 60,
        "broker": "memory",
        **settings,
    }
    platform = open_platform(
        load_settings(env_file=None, **given),
        load_features(features),
        accounts=NoAccounts(),
        broker=broker,
        observers=observers,
    )
    _ = platform.database.engine  # made here, because SQLAlchemy looks at the directory for it
    return platform


def build(platform: Platform, bounds: Bounds | None = None) -> Root:
    """The root with the realtime room alone."""
    return build_root(platform, [replace(mount(platform, bounds), authenticators=(Badges(),))])


async def create_tables(platform: Platform) -> None:
    """The tables that these tests need, and no other."""
    tables = [Model.metadata.tables[model.__tablename__] for model in TABLES]
    tables += PEOPLE
    async with platform.database.engine.begin() as connection:
        await connection.run_sync(lambda sync: Model.metadata.create_all(sync, tables=tables))


@asynccontextmanager
async def serving(
    app: Root, port: int, lifespan: Literal["on", "off"] = "on", ws: Any = FramesProtocol
) -> AsyncIterator[uvicorn.Server]:
    """Serve `app` with uvicorn in this event loop; `ws` is its protocol of WebSockets."""
    config = uvicorn.Config(
        app,
        port=port,
        ws=ws,
        lifespan=lifespan,
        log_config=None,
        access_log=False,
        ws_ping_interval=None,
        ws_per_message_deflate=False,
        timeout_graceful_shutdown=5,
    )
    server = uvicorn.Server(config)
    task = asyncio.create_task(server.serve())
    await eventually(lambda: server.started or task.done())
    try:
        yield server
    finally:
        server.should_exit = True
        await task


@asynccontextmanager
async def house_at(
    database_url: str,
    bounds: Bounds | None = None,
    *,
    port: int | None = None,
    broker: Broker | None = None,
    observers: Observers | None = None,
    ws: Any = FramesProtocol,
    **settings: Any,
) -> AsyncIterator[House]:
    """A served house on this database; wake-ups alone deliver unless `poll_seconds` is given."""
    # On a thread, as it imports and so reads files: a server does this before its loop runs.
    platform = await asyncio.to_thread(
        open_platform_with_django, database_url, broker, observers, **settings
    )
    root = await asyncio.to_thread(build, platform, bounds)
    await create_tables(platform)
    house = House(platform, port or free_port(), root.mounts)
    async with serving(root, house.port, ws=ws):
        yield house


async def eventually(condition: Any, seconds: float = SECONDS) -> None:
    """Return when `condition()` is true; TimeoutError if it never is."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110  # what is waited for knows no event
            await asyncio.sleep(0.01)


def offsets(publications: Sequence[Any]) -> list[int]:
    """The offsets of publications in a reply."""
    return [publication["offset"] for publication in publications]
