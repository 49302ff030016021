"""The API as a mounted app: every feature's router under the feature's name."""

from collections.abc import Sequence
from typing import Any

from fastapi import APIRouter, FastAPI
from starlette.types import ASGIApp

from trivet.asgi.mount import MountedApp, PageLink, RouteInfo
from trivet.features import Feature, attribute_of, modules_of
from trivet.platform import Platform
from trivet_api import auth
from trivet_api.answers import HttpAnswers
from trivet_api.authenticator import KeyAuthenticator
from trivet_api.docs import ASSETS, install_docs
from trivet_api.include import include, list_frontends
from trivet_api.index import install_index
from trivet_api.openapi import describe
from trivet_api.policy import PolicyRoute, list_routes
from trivet_api.problems import Problem, install_problems
from trivet_api.proof import is_proved
from trivet_api.resource.batch_routes import install_batch
from trivet_api.resource.marks import document_lists, note_addresses
from trivet_api.route_index import index_routes

PREFIX = "/api"


def mount(platform: Platform) -> MountedApp:
    """FastAPI with the routers of all features.

    Raises ConfigurationError if a route has no policy, or a resource filters by what nobody sees.
    """
    app = _build(platform)
    _list(app)
    return MountedApp(
        name="api",
        prefix=PREFIX,
        app=HttpAnswers(app, _answering(app, platform)),
        authenticators=[KeyAuthenticator(PREFIX)],
        list_routes=lambda: _list(app),
        static_packages=[ASSETS],
        links=[PageLink("API", "/docs", "Every route, what it takes and gives, to try out here.")],
    )


def describe_api(platform: Platform) -> dict[str, Any]:
    """The OpenAPI document of the API that `mount` gives, for a server at ``/api``."""
    return describe(_build(platform), root=PREFIX, cookie_name=platform.accounts.cookie_name)


def _build(platform: Platform) -> FastAPI:
    app = FastAPI(
        title=platform.settings.name,
        description="Authenticate with an API key (`Authorization: Bearer …`) or a session; a "
        "browser that is logged in sends its session by itself.",
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
        openapi_tags=[*map(_tag, platform.features), _BATCH, _AUTH],
        responses={"default": {"model": Problem, "description": "A problem (RFC 9457)."}},
        # Tracing belongs around the root, where the requests of every mount pass.
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    app.router.route_class = PolicyRoute
    install_problems(app)
    # Routes are tried in this order, and most requests are for a feature.
    for feature, module in modules_of(platform.features, "api"):
        router = attribute_of(module, "router", APIRouter, "router = APIRouter()")
        include(app, router, prefix=f"/{feature.name}", tags=[feature.name])
    note_addresses(app, platform.capture.rules.addresses)
    document_lists(app, platform.capture.live)
    install_batch(app)
    include(app, auth.router)
    install_index(app)
    install_docs(app)
    return app


_BATCH = {"name": "batch", "description": "Rows of several resources in one transaction."}
_AUTH = {"name": "auth", "description": "Log in and out, and see who you are."}


def _tag(feature: Feature) -> dict[str, str]:
    """A feature as the document describes it: the first line of its package's docstring."""
    return {"name": feature.name, "description": feature.about or feature.title}


def _list(app: FastAPI) -> Sequence[RouteInfo]:
    return [*list_routes(app, PREFIX), *list_frontends(app, PREFIX)]


def _answering(app: FastAPI, platform: Platform) -> ASGIApp:
    """`app`, whose plain routes are answered directly where that is allowed and proved."""
    if not is_proved():
        return app
    if not platform.settings.direct_answers:
        index_routes(app.router)
        return app
    # Only here: on another release of FastAPI the names that it imports may not be there.
    from trivet_api.direct import answer_directly

    return answer_directly(app)
