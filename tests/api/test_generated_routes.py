"""Whatever routes a feature has, our API answers as FastAPI does, to the byte.

The routes are generated (tests/api/generated.py). FastAPI's own answer is the standard; ours are
the API with its flat routes and the same with plain routes answered directly.
"""

from collections.abc import Iterator, MutableMapping
from pathlib import Path
from typing import Any

import msgspec
import pytest
from fastapi import FastAPI
from starlette.types import ASGIApp
from structlog.testing import capture_logs

from tests.api.generated import Sky, make_sky
from tests.api.generated_classes import ROUTE_CLASSES
from tests.platform.bare import bare_platform, client_of
from trivet.asgi.mount import MountedApp
from trivet.asgi.root import build_root
from trivet_api.direct import DirectAnswer, answer_directly
from trivet_api.include import include
from trivet_api.policy import PolicyRoute
from trivet_api.problems import install_problems
from trivet_api.query import NO_TIME, REPEATED, UNKNOWN

pytestmark = pytest.mark.anyio

SEEDS = range(90)


@pytest.fixture
def lines() -> Iterator[list[MutableMapping[str, Any]]]:
    """The lines of the log; nobody prints them, nor reads the source code for tracebacks."""
    with capture_logs() as captured:
        yield captured


def make_app(sky: Sky, *, ours: bool) -> FastAPI:
    app = FastAPI(redirect_slashes=False)
    install_problems(app)
    if ours:
        include(app, sky.router, **sky.options)
    else:
        app.include_router(sky.router, **sky.options)
    return app


async def ask(app: ASGIApp, folder: Path, sky: Sky) -> list[tuple[Any, ...]]:
    """The answers to all requests; what is another each time is taken out."""
    root = build_root(bare_platform(folder), [MountedApp("api", "/api", app, lifespan=False)])
    answers = []
    async with client_of(root) as client:
        for request in sky.requests:
            answer = await client.request(**{**request, "url": f"/api{request['url']}"})
            request_id = answer.headers["x-request-id"]
            headers = [(k, v.replace(request_id, "")) for k, v in answer.headers.multi_items()]
            body = answer.content.replace(request_id.encode(), b"")
            answers.append((answer.status_code, headers, body))
    return answers


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.usefixtures("lines")
async def test_every_answer_is_fastapis_to_the_byte(tmp_path: Path, seed: int) -> None:
    sky = make_sky(seed)
    theirs = await ask(make_app(sky, ours=False), tmp_path, sky)
    ours = make_app(sky, ours=True)
    flat = await ask(ours, tmp_path, sky)
    direct = await ask(answer_directly(ours), tmp_path, sky)
    for request, expected, *got in zip(sky.requests, theirs, flat, direct, strict=True):
        if got[0] == got[1] and _is_refused_by_the_letter(*got[0]):
            continue
        assert got == [expected, expected], request


def _is_refused_by_the_letter(status: int, _headers: object, body: bytes) -> bool:
    """Whether a query string was refused that FastAPI would have read its own way (decision 65)."""
    if status != 422:
        return False
    faults = msgspec.json.decode(body).get("errors", ())
    return bool(faults) and {fault["detail"] for fault in faults} <= {UNKNOWN, REPEATED, NO_TIME}


# FastAPI says so of a route with two methods and a name of its own.
@pytest.mark.filterwarnings("ignore:Duplicate Operation ID")
def test_the_document_is_fastapis() -> None:
    for seed in SEEDS[::3]:  # a document takes longer than an answer
        sky = make_sky(seed)
        documents = [make_app(sky, ours=ours).openapi() for ours in (False, True)]
        assert documents[0] == documents[1], seed


def test_the_generator_makes_what_it_is_there_for() -> None:
    skies = [make_sky(seed) for seed in SEEDS]
    assert set[Any]().union(*(sky.classes for sky in skies)) == set(ROUTE_CLASSES)
    flat = direct = 0
    for sky in skies:
        app = make_app(sky, ours=True)
        answer_directly(app)
        routes = [route for route in app.router.routes if type(route) is PolicyRoute]
        flat += len(routes)
        direct += sum(isinstance(route.app, DirectAnswer) for route in routes)
    assert (flat > 60, direct > 20) == (True, True), (flat, direct)
