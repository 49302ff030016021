"""Classes of routes and routers that somebody made, for the generated routes."""

from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import PlainTextResponse, Response
from fastapi.routing import APIRoute
from starlette.types import Receive, Scope, Send

from trivet_api.policy import PolicyRoute

Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class SignedRoute(APIRoute):
    """Refuses before anything is read."""

    def get_route_handler(self) -> Handler:
        handle = super().get_route_handler()

        async def signed(request: Request) -> Response:
            if request.headers.get("x-one") != "good":
                raise HTTPException(401, "unsigned")
            return await handle(request)

        return signed


class TimedRoute(APIRoute):
    """Adds to the answer."""

    def get_route_handler(self) -> Handler:
        handle = super().get_route_handler()

        async def timed(request: Request) -> Response:
            response = await handle(request)
            response.headers["x-timed"] = self.path
            return response

        return timed


class CachedRoute(APIRoute):
    """Answers without asking the endpoint."""

    def get_route_handler(self) -> Handler:
        async def cached(request: Request) -> Response:
            return PlainTextResponse(f"cached {request.url.path}")

        return cached


class HandlingRoute(APIRoute):
    """Does its own handling of a request, one layer further out."""

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def mark(message: Any) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], (b"x-handled", b"yes")]
            await send(message)

        await super().handle(scope, receive, mark)


class PickyRoute(APIRoute):
    """Takes only some of the requests for its path."""

    def matches(self, scope: Scope) -> Any:
        match, child = super().matches(scope)
        odd = any(name == b"x-one" for name, _ in scope["headers"])
        return (type(match).NONE, {}) if odd else (match, child)


class OwnRouter(APIRouter):
    """A router that names its routes otherwise, and adds to what they answer."""

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def mark(message: Any) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], (b"x-router", b"own")]
            await send(message)

        await super().handle(scope, receive, mark)

    def add_api_route(self, path: str, endpoint: Any, **options: Any) -> None:
        super().add_api_route(f"{path}/own", endpoint, **options)


ROUTE_CLASSES: Sequence[type[APIRoute]] = (
    APIRoute,
    APIRoute,
    APIRoute,
    APIRoute,
    PolicyRoute,
    SignedRoute,
    TimedRoute,
    CachedRoute,
    HandlingRoute,
    PickyRoute,
)
