"""The probes: alive (the process serves) and ready (it can do its work)."""

import anyio
from starlette.requests import Request
from starlette.responses import JSONResponse

from trivet import migrations
from trivet.context import context_of
from trivet.platform_ import Platform

PROBE_SECONDS = 2.0
"""A probe that takes longer is answered "not ready": orchestrators ask every few seconds."""


async def alive(_request: Request) -> JSONResponse:
    """200 as long as the event loop turns; touches nothing else."""
    return JSONResponse({"status": "ok"})


async def ready(request: Request) -> JSONResponse:
    """200 if the database answers, every migration is applied and the relay runs; 503
    with what is wrong otherwise."""
    platform = context_of(request.scope).platform
    checks = {"database": "timed out", "migrations": "not checked", "relay": "does not deliver"}
    with anyio.move_on_after(PROBE_SECONDS):
        await _check(platform, checks)
    ok = all(result == "ok" for result in checks.values())
    headers = {} if ok else {"retry-after": "1"}
    body = {"status": "ok" if ok else "unavailable", "checks": checks}
    return JSONResponse(body, 200 if ok else 503, headers)


async def _check(platform: Platform, checks: dict[str, str]) -> None:
    if platform.relay.state.is_healthy:
        checks["relay"] = "ok"
    try:
        pending = await migrations.pending(platform.database, platform.features)
    except Exception as error:  # noqa: BLE001  # whatever fails here is the answer
        checks["database"] = type(error).__name__
        return
    checks["database"] = "ok"
    checks["migrations"] = "ok" if not pending else "run 'trivet migrate'"
