"""What each middleware of the root adds to a request, without a server around it.

The stack is put on layer by layer from the inside, and each layer costs what the request
computes longer. The layers are measured in turn, in many short rounds.
"""

import contextlib
import gc
import logging
import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import uvloop
from pydantic import SecretStr
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from benchmarks.database import FEATURE, SharedDatabase
from benchmarks.rounds import Spread
from tests.services.databases import SECRET_KEY
from trivet.asgi.root import stack
from trivet.context import RequestContext, enter_context
from trivet.identity.identity import ANONYMOUS
from trivet.log import configure_logging
from trivet.platform import Platform
from trivet_deploy.asgi import list_mounts
from trivet_deploy.composition import open_platform_with_django
from trivet_settings import Settings

REQUESTS = 100
"""In one round of one layer: some tens of milliseconds."""
ROUNDS = 5
"""Times the rounds of a server's measurement, because these are so much shorter."""

START: Message = {
    "type": "http.response.start",
    "status": 200,
    "headers": [(b"content-type", b"application/json"), (b"content-length", b"2")],
}
BODY: Message = {"type": "http.response.body", "body": b"{}"}


def measure(database: SharedDatabase, *, rounds: int) -> list[tuple[str, Spread]]:
    """Each middleware's name and its cost in µs, outermost first."""
    settings = Settings(
        secret_key=SecretStr(SECRET_KEY),
        database_url=database.url,
        features=(FEATURE,),
        log_format="json",
    )
    platform = open_platform_with_django(settings)
    with _log_to_nowhere():
        configure_logging(log_format="json")
        return uvloop.run(_measure(platform, database.key, rounds * ROUNDS))


async def _measure(platform: Platform, key: str, rounds: int) -> list[tuple[str, Spread]]:
    names = ["the app alone"]
    apps: list[ASGIApp] = [_answer]
    authenticators = [a for mounted in list_mounts(platform) for a in mounted.authenticators]
    for layer in reversed(stack(platform, authenticators)):
        names.append(layer.cls.__name__)  # type: ignore[attr-defined]  # Starlette types it as a factory
        apps.append(layer.cls(apps[-1], *layer.args, **layer.kwargs))
    gc.collect()
    gc.freeze()  # as a worker of ours does before it serves
    try:
        for app in apps:
            await time_request(app, platform, key)
        taken = [[await time_request(app, platform, key) for app in apps] for _ in range(rounds)]
    finally:
        await platform.database.close()
    costs = [_differences(taken, layer) for layer in range(1, len(apps))]
    return list(reversed(list(zip(names[1:], costs, strict=True))))


def _differences(taken: Sequence[Sequence[float]], layer: int) -> Spread:
    # The middle half: a round of some milliseconds that was interrupted says nothing.
    values = sorted(each[layer] - each[layer - 1] for each in taken)
    quarter = len(values) // 4
    return Spread.of(values[quarter : len(values) - quarter])


async def time_request(app: ASGIApp, platform: Any, key: str) -> float:
    """The µs that one request computes, on average of a round."""
    scopes = [_scope(key) for _ in range(REQUESTS)]
    started = time.process_time()
    for scope in scopes:
        enter_context(scope, RequestContext(platform, "0"))
        await app(scope, _receive, _send)
    return (time.process_time() - started) / REQUESTS * 1e6


def _scope(key: str) -> dict[str, Any]:
    headers = [
        (b"host", b"localhost:8000"),
        (b"accept", b"application/json"),
        (b"authorization", f"Bearer {key}".encode()),
    ]
    return {
        "type": "http",
        "method": "GET",
        "path": "/api/parcels/greeting",
        "root_path": "",
        "query_string": b"",
        "headers": headers,
        "state": {},
        "user": ANONYMOUS,
    }


async def _receive() -> Message:
    return {"type": "http.request", "body": b"", "more_body": False}


async def _send(_message: Message) -> None: ...


async def _answer(_scope: Scope, _receive: Receive, send: Send) -> None:
    await send({**START, "headers": list(START["headers"])})
    await send(dict(BODY))


@contextlib.contextmanager
def _log_to_nowhere() -> Iterator[None]:
    """What is logged is rendered and written, to a device that keeps nothing."""
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    with Path(os.devnull).open("w", encoding="utf-8") as sink, contextlib.redirect_stderr(sink):
        try:
            yield
        finally:
            root.handlers[:] = before
            root.setLevel(level)
