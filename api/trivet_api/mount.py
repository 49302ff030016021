"""The API as a mounted app: every feature's router under the feature's name."""

from fastapi import FastAPI

from trivet.features import modules_of
from trivet.mounts import MountedApp
from trivet.platform_ import Platform
from trivet_api import auth
from trivet_api.authenticator import KeyAuthenticator
from trivet_api.docs import ASSETS, install_docs
from trivet_api.index import install_index
from trivet_api.policy import list_routes
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
    )
    install_problems(app)
    # Routes are tried in this order, and most requests are for a feature.
    for feature, module in modules_of(platform.features, "api"):
        app.include_router(module.router, prefix=f"/{feature.name}", tags=[feature.name])
    app.include_router(auth.router)
    install_index(app)
    install_docs(app)
    list_routes(app, PREFIX)
    return MountedApp(
        name="api",
        prefix=PREFIX,
        app=app,
        authenticators=[KeyAuthenticator(PREFIX)],
        list_routes=lambda: list_routes(app, PREFIX),
        static_packages=[ASSETS],
    )
