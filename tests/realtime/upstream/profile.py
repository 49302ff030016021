"""A server for the test suites of the SDKs: channels without a feature, open to everybody.

The suites expect Centrifugo on port 8000 with its own paths, a well-known secret and two keys, and
channels without a namespace that keep presence and history. This is no way to run a product, and so
it is no setting of one: it is composed here, of the parts that every product has.

    python -m tests.realtime.upstream.profile 8000
"""

import asyncio
import re
import sys
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import uvicorn
from sqlalchemy.orm import Session
from starlette.routing import Route, Router, WebSocketRoute

from tests.realtime.house import NoAccounts, create_tables
from tests.services.databases import SECRET_KEY
from trivet import Identity, Platform
from trivet.asgi.mount import MountedApp
from trivet.asgi.root import Root, build_root
from trivet.broker import Broker
from trivet.identity.policy import public
from trivet.identity.token_keys import TokenKeys
from trivet.identity.tokens import Tokens
from trivet.platform import open_platform
from trivet_deploy.server.frames_protocol import FramesProtocol
from trivet_realtime.bounds import Bounds
from trivet_realtime.channels import ChannelRules
from trivet_realtime.client_calls import ClientCall, ClientCalls
from trivet_realtime.credentials import Credentials
from trivet_realtime.declared import Declared
from trivet_realtime.hub import Hub
from trivet_realtime.mount import running
from trivet_realtime.namespaces import Namespace
from trivet_realtime.protocol import ClientInfo, raw_json
from trivet_realtime.publishing import new_publication, record_publication
from trivet_realtime.server_api.app import ServerApi
from trivet_realtime.transports.emulation import EmulationEndpoint
from trivet_realtime.transports.http_stream import HttpStreamEndpoint
from trivet_realtime.transports.sse import EventsEndpoint
from trivet_realtime.websocket import WebSocketEndpoint
from trivet_settings import load_settings

SECRET = "secret"  # the one that the suites sign with
KEYS = ("test-api-key", "api_key")
HISTORY = Namespace(
    presence=True,
    join_leave=True,
    history_size=100,
    history_seconds=300,
    delta=True,
    tags_filter=True,
    user_limited=True,
    personal=True,
)
NAMESPACES = {
    "": HISTORY,
    "delta": replace(HISTORY, personal=False),
    "recovery": replace(HISTORY, personal=False),
    "smallhistory": replace(HISTORY, history_size=2, personal=False),
}
"""What the configurations in the suites' repositories name."""


def _allow() -> bool:
    return True


def _store(db: Session, identity: Identity, channel: str, data: Any, client: ClientInfo) -> None:
    """Store what a client publishes as it is: the suites expect it back."""
    record_publication(db, identity, new_publication(channel, data, publisher=client))


ANY_NAME = re.compile(r"[^$#&]+")
ANY_CHANNEL = re.compile(r".+")
OPEN = Declared("*", ANY_NAME, _allow, frozenset(), public)
STORE = Declared(
    "*", ANY_CHANNEL, _store, frozenset({"db", "identity", "channel", "data", "client"}), public
)


def build(platform: Platform, bounds: Bounds | None = None) -> Root:
    """The root with one hub under the paths of Centrifugo."""
    rules = ChannelRules({name: [OPEN] for name in NAMESPACES}, NAMESPACES)
    calls = ClientCalls({name: [ClientCall(STORE, raw_json)] for name in NAMESPACES})
    credentials = Credentials(platform, accepts_strangers=True)
    hub = Hub(rules, platform, bounds or Bounds(), calls, credentials)

    @asynccontextmanager
    async def lifespan(_app: Any) -> AsyncIterator[None]:
        async with running(hub, platform):
            yield

    connection = Router(
        [
            WebSocketRoute("/websocket", WebSocketEndpoint(hub)),
            Route("/http_stream", HttpStreamEndpoint(hub), methods=["POST"]),
            Route("/sse", EventsEndpoint(hub), methods=["GET", "POST"]),
        ],
        lifespan=lifespan,
    )
    emulation = Router([Route("/", EmulationEndpoint(hub), methods=["POST"])])
    api = Router([Route("/{method}", ServerApi(hub, KEYS).answer, methods=["POST"])])
    return build_root(
        platform,
        [
            MountedApp("connection", "/connection", connection, websocket=True, drain=hub.drain),
            MountedApp("emulation", "/emulation", emulation, websocket=True, lifespan=False),
            MountedApp("api", "/api", api, lifespan=False),
        ],
    )


def open_profile(database_url: str, broker: Broker | None = None) -> Platform:
    """The platform of such a server."""
    settings = load_settings(
        env_file=None,
        database_url=database_url,
        secret_key=SECRET_KEY,
        log_level="warning",
        allowed_origins=("*",),
    )
    platform = open_platform(settings, (), accounts=NoAccounts(), broker=broker)
    return replace(platform, tokens=Tokens(TokenKeys(SECRET)))


def main(arguments: Sequence[str]) -> None:
    """Serve on a port of the loopback interface until the process is stopped."""
    port = int(arguments[0])
    with tempfile.TemporaryDirectory() as folder:
        platform = open_profile(f"sqlite:///{Path(folder) / 'profile.sqlite3'}")
        asyncio.run(create_tables(platform))
        asyncio.run(platform.database.close())
        platform = open_profile(f"sqlite:///{Path(folder) / 'profile.sqlite3'}")
        uvicorn.run(
            build(platform),
            port=port,
            ws=FramesProtocol,  # as in the product
            log_level="warning",
            access_log=False,
            ws_ping_interval=None,
            timeout_graceful_shutdown=1,
        )


if __name__ == "__main__":
    main(sys.argv[1:])
