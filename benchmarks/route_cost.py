"""What FastAPI computes for the same small answer, by how its route is included.

No server and no middleware: the app alone, with a route in it or in a router, with a policy
or without. `trivet_api.include` is ours.
"""

from collections.abc import Callable
from itertools import product

import uvloop
from fastapi import APIRouter, FastAPI
from starlette.types import ASGIApp

from benchmarks.middleware_cost import ROUNDS, time_request
from benchmarks.parcels.api import Greeting
from benchmarks.rounds import Spread
from trivet_api import public
from trivet_api.direct import answer_directly
from trivet_api.include import include

PREFIX = "/api/parcels"


def measure(*, rounds: int) -> list[tuple[str, Spread]]:
    """Each way's name, and what one request takes in µs."""
    return uvloop.run(_measure(rounds * ROUNDS))


async def _measure(rounds: int) -> list[tuple[str, Spread]]:
    ways: dict[str, Callable[[], ASGIApp]] = {
        "a route in the app, no policy": _plain,
        "a router, the policy as a dependency": _included,
        "as we include it, with a policy": _ours,
        "… the last of 500 routes of 50 features": _last_of_many,
        "… the last of 500 routes, as FastAPI finds it": _last_of_many_tried,
    }
    apps = {name: make() for name, make in ways.items()}
    taken: dict[str, list[float]] = {name: [] for name in apps}
    for number in range(rounds + 1):
        for name, app in apps.items():
            cost = await time_request(app, None, "")
            if number:  # the first warms up
                taken[name].append(cost)
    return [(name, Spread.of(costs)) for name, costs in taken.items()]


async def _greet() -> Greeting:
    return Greeting(greeting="hello", number=42)


def _plain() -> FastAPI:
    app = FastAPI(openapi_url=None)
    app.add_api_route(f"{PREFIX}/greeting", _greet)
    return app


def _router() -> APIRouter:
    router = APIRouter()
    router.add_api_route("/greeting", _greet, dependencies=[public])
    return router


def _included() -> FastAPI:
    app = FastAPI(openapi_url=None)
    app.include_router(_router(), prefix=PREFIX)
    return app


def _ours() -> ASGIApp:
    app = FastAPI(openapi_url=None, telemetry={"tracing": False, "metrics": False, "logs": False})
    include(app, _router(), prefix=PREFIX)
    return answer_directly(app)


def _last_of_many() -> ASGIApp:
    return answer_directly(_last_of_many_tried())


def _last_of_many_tried() -> FastAPI:
    app = FastAPI(openapi_url=None, telemetry={"tracing": False, "metrics": False, "logs": False})
    for feature, noun in product(range(50), range(10)):
        if (feature, noun) != (0, 0):  # that one is asked for, and comes last
            router = APIRouter()
            router.add_api_route(f"/noun{noun}/{{key}}", _greet, dependencies=[public])
            include(app, router, prefix=f"/api/feature{feature}")
    include(app, _router(), prefix=PREFIX)
    return app
