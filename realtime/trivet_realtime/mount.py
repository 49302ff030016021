"""The realtime room as one mounted app: a WebSocket at ``/ws``, and nothing else there."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route, Router, WebSocketRoute
from starlette.types import Receive, Scope, Send

from trivet.asgi.mount import MountedApp, PageLink, RouteInfo
from trivet.asgi.problem import no_such_page, problem_response, refuse
from trivet.features import modules_of
from trivet.identity.policy import public
from trivet.periodic import PeriodicTask
from trivet.platform import Platform
from trivet_realtime.bounds import Bounds
from trivet_realtime.centrifugo.answers import QUESTIONS
from trivet_realtime.centrifugo.endpoint import CentrifugoEndpoint, require_whole
from trivet_realtime.centrifugo.telling import CentrifugoTeller
from trivet_realtime.centrifugo.visit import Visitors
from trivet_realtime.channels import ChannelRules, collect_rules
from trivet_realtime.client_calls import ClientCalls, collect_calls
from trivet_realtime.declared import Declared
from trivet_realtime.hub import Hub
from trivet_realtime.judging import judge_again
from trivet_realtime.live_channels import with_live_channels
from trivet_realtime.news import receive_news
from trivet_realtime.rechecking import Rechecking
from trivet_realtime.server_api.app import ServerApi
from trivet_realtime.transports.emulation import EmulationEndpoint
from trivet_realtime.transports.http_stream import HttpStreamEndpoint
from trivet_realtime.transports.sse import EventsEndpoint
from trivet_realtime.websocket import WebSocketEndpoint

PREFIX = "/ws"
FILES = ("trivet_realtime", "static")
"""The module for pages, at ``/static/trivet_realtime/live.js``: it finds the sockets two levels
above itself, so it has to lie below the same prefix of a proxy as they do."""
CENTRIFUGO = "centrifugo"


def mount(platform: Platform, bounds: Bounds | None = None) -> MountedApp:
    """The room, for `platform`. `bounds` default to the settings'.

    Raises ConfigurationError for a ``realtime.py`` whose rules cannot be right, and for a
    Centrifugo that would ask and not be told.
    """
    require_whole(platform.settings)
    modules = {
        feature.name: module for feature, module in modules_of(platform.features, "realtime")
    }
    rules = with_live_channels(collect_rules(modules), platform.capture.live)
    hub = Hub(rules, platform, bounds or _bounds(platform), collect_calls(modules))
    visitors = Visitors()

    @asynccontextmanager
    async def lifespan(_app: Any) -> AsyncIterator[None]:
        async with running(hub, platform), telling_centrifugo(platform, visitors):
            yield

    secret = platform.settings.centrifugo_secret.get_secret_value()
    asked = CentrifugoEndpoint(hub, secret, visitors)
    routes = [
        *routes_of(hub, platform),
        Route(f"/{CENTRIFUGO}/{{method}}", asked.answer, methods=["POST"]),
    ]
    app = Router(routes, default=_not_found, lifespan=lifespan)
    return MountedApp(
        name="realtime",
        prefix=PREFIX,
        app=app,
        websocket=True,
        list_routes=lambda: list_routes(rules, hub.calls),
        static_packages=[FILES],
        links=[PageLink("Live events", "", "A WebSocket for Centrifuge clients.", is_page=False)],
        drain=hub.drain,
        # Centrifugo asks this process directly. Without a secret there is nothing to ask.
        open_paths=[f"{PREFIX}/{CENTRIFUGO}/{method}" for method in QUESTIONS] if secret else (),
    )


def routes_of(hub: Hub, platform: Platform) -> list[BaseRoute]:
    """The ways to the hub: for clients with a WebSocket, for those without, and for programs."""
    keys = tuple(key.get_secret_value() for key in platform.settings.server_api_keys)
    return [
        WebSocketRoute("/", WebSocketEndpoint(hub)),
        Route("/", upgrade_required),
        Route("/http_stream", HttpStreamEndpoint(hub), methods=["POST"]),
        Route("/sse", EventsEndpoint(hub), methods=["GET", "POST"]),
        Route("/emulation", EmulationEndpoint(hub), methods=["POST"]),
        Route("/api/{method}", ServerApi(hub, keys).answer, methods=["POST"]),
    ]


def _bounds(platform: Platform) -> Bounds:
    settings = platform.settings
    return Bounds(
        message_bytes=settings.message_limit_bytes,
        ping_seconds=settings.ping_seconds,
        # The rest is for the last ones, before the server gives up what is still open.
        drain_seconds=settings.shutdown_seconds * 0.8,
    )


@asynccontextmanager
async def running(hub: Hub, platform: Platform) -> AsyncIterator[None]:
    """The hub takes what the relay delivers, and ends the sockets of what is revoked."""
    platform.relay.receiver = hub
    # A server that stops waits for streams, and tells them nothing.
    platform.lifecycle.on_drain(hub.begin_draining)
    platform.observers.measure(hub.measure_outgoing)
    platform.observers.measure(hub.measure_apart)
    working = [
        asyncio.create_task(Rechecking(platform, hub.list_identities, hub.revoke).run()),
        asyncio.create_task(hub.presence.run()),
    ]
    judging = PeriodicTask("sights", partial(judge_again, hub), lambda: hub.bounds.sight_seconds)
    await judging.start()
    unsubscribe = receive_news(hub, platform.broker)
    try:
        yield
    finally:
        unsubscribe()
        await judging.stop()
        for each in working:
            each.cancel()
        await asyncio.wait(working)
        await hub.presence.stop()


@asynccontextmanager
async def telling_centrifugo(platform: Platform, visitors: Visitors) -> AsyncIterator[None]:
    """Revocations and commands reach Centrifugo too, if there is one."""
    if not platform.settings.centrifugo_api_url:
        yield
        return
    teller = CentrifugoTeller(platform.settings, platform.broker.node, visitors)
    unsubscribe = teller.listen(platform.broker)
    telling = asyncio.create_task(teller.run())
    try:
        yield
    finally:
        unsubscribe()
        telling.cancel()
        await asyncio.wait([telling])


async def upgrade_required(request: Request) -> Response:
    """426 (RFC 9110, 15.5.22): somebody asked for a page where a socket is."""
    return problem_response(
        request.scope,
        426,
        "upgrade-required",
        "This address speaks WebSocket. Connect with a Centrifuge client, such as the npm "
        "package 'centrifuge'.",
        headers={"upgrade": "websocket", "connection": "upgrade"},
    )


async def _not_found(scope: Scope, receive: Receive, send: Send) -> None:
    await refuse(scope, receive, send, no_such_page(scope))


def list_routes(rules: ChannelRules, calls: ClientCalls | None = None) -> Sequence[RouteInfo]:
    """The ways in, and a line for all that a feature declares, for ``trivet routes``."""
    calls = calls or ClientCalls()
    publications = [each.declared for listed in calls.publications.values() for each in listed]
    return [
        RouteInfo("WEBSOCKET", PREFIX, "realtime", "anyone; channels by their rules"),
        *(
            RouteInfo(methods, f"{PREFIX}/{path}", "realtime", "anyone; channels by their rules")
            for methods, path in (("POST", "http_stream"), ("GET", "sse"), ("POST", "sse"))
        ),
        RouteInfo("POST", f"{PREFIX}/emulation", "realtime", "whoever has the stream"),
        RouteInfo("POST", f"{PREFIX}/api/{{method}}", "server api", "a key of the server API"),
        RouteInfo("POST", f"{PREFIX}/{CENTRIFUGO}/{{method}}", "centrifugo", "its secret"),
        *_list_declared("SUBSCRIBE", (each for of in rules.namespaces.values() for each in of)),
        *_list_declared("PUBLISH", publications),
        *_list_declared("RPC", (each.declared for each in calls.methods.values())),
    ]


def _list_declared(verb: str, declared: Iterable[Declared]) -> Iterator[RouteInfo]:
    for each in declared:
        name, policy = each.function.__qualname__, each.policy
        words = "by its rule" if policy is public else f"{policy.words} + by its rule"
        yield RouteInfo(verb, each.pattern, name, words, (policy,))
