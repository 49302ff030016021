"""The API as a mounted app: every feature's router under the feature's name."""

import inspect
from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.routing import APIRoute, iter_route_contexts

from trivet.asgi.mount import MountedApp
from trivet.features import attribute_of, modules_of
from trivet.platform import Platform
from trivet_api import auth
from trivet_api.authenticator import KeyAuthenticator
from trivet_api.direct import DirectFirst
from trivet_api.docs import ASSETS, install_docs
from trivet_api.index import install_index
from trivet_api.policy import PolicyRoute, list_routes
from trivet_api.problems import Problem, install_problems

PREFIX = "/api"


def mount(platform: Platform) -> MountedApp:
    """FastAPI with the routers of all features.

    Raises ConfigurationError if a route has no policy.
    """
    app = FastAPI(
        title="Trivet",
        description="Authenticate with an API key (`Authorization: Bearer …`) or a session.",
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
        responses={"default": {"model": Problem, "description": "A problem (RFC 9457)."}},
        # Whoever traces requests does it around the root, where every mount's pass.
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    app.router.route_class = PolicyRoute
    install_problems(app)
    # Routes are tried in this order, and most requests are for a feature.
    for feature, module in modules_of(platform.features, "api"):
        router = attribute_of(module, "router", APIRouter, "router = APIRouter()")
        include(app, router, prefix=f"/{feature.name}", tags=[feature.name])
    include(app, auth.router)
    install_index(app)
    install_docs(app)
    list_routes(app, PREFIX)
    return MountedApp(
        name="api",
        prefix=PREFIX,
        app=DirectFirst(app),
        authenticators=[KeyAuthenticator(PREFIX)],
        list_routes=lambda: list_routes(app, PREFIX),
        static_packages=[ASSETS],
    )


def include(app: FastAPI, router: APIRouter, **options: Any) -> None:
    """`app.include_router`, with the router's routes directly in the app.

    FastAPI keeps an included router as a router and matches every request in both, twice in
    the inner one. A router that holds more than plain routes stays as FastAPI has it.
    """
    app.include_router(router, **options)
    if router.form_limits or not all(isinstance(route, APIRoute) for route in router.routes):
        return
    included = app.router.routes.pop()
    for context in iter_route_contexts([included]):
        route = {name: getattr(context, name) for name in ROUTE_OPTIONS}
        limits = getattr(context.original_route, "form_limits", None)
        app.router.add_api_route(**route, form_limits=limits, route_class_override=PolicyRoute)


ROUTE_OPTIONS = set(inspect.signature(APIRouter.add_api_route).parameters) - {
    "self",
    "form_limits",
    "route_class_override",
}
"""What makes a route, by FastAPI's own words. Where it lies in routers, its effective context
has all of these as attributes; form limits stay with the route itself."""
