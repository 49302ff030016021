"""FastAPI with the duties of Trivet's stack, each a `BaseHTTPMiddleware` as most are written.

`BENCHMARK_KEY_CACHE_SECONDS` says for how long an identity is remembered; 0 looks it up for
every request, as tutorials do.
"""

import os
import time
import uuid
from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

import structlog
from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine
from starlette.middleware.base import BaseHTTPMiddleware

from benchmarks.peers.alchemy import key_query
from benchmarks.peers.keys import POOL, database_url, is_good, split_bearer
from trivet.asgi.middleware.security_headers import CONTENT_SECURITY_POLICY
from trivet.log import configure_logging

CACHE_SECONDS = float(os.environ.get("BENCHMARK_KEY_CACHE_SECONDS", "0"))
BODY_BYTES = 2 * 1024 * 1024
SAFE_METHODS = {"GET", "HEAD", "OPTIONS", "TRACE"}
SECURITY_HEADERS = {
    "content-security-policy": CONTENT_SECURITY_POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
}
Next = Callable[[Request], Awaitable[Response]]

configure_logging(log_format="json")
logger = structlog.stdlib.get_logger("duties.access")
engine = create_async_engine(database_url("asyncpg"), pool_size=POOL, max_overflow=0)
sessions = async_sessionmaker(engine, expire_on_commit=False)


class Greeting(BaseModel):
    greeting: str
    number: int


class AccessLog(BaseHTTPMiddleware):
    async def dispatch(self, request: Request, call_next: Next) -> Response:
        request_id = request.headers.get("x-request-id") or uuid.uuid4().hex
        structlog.contextvars.bind_contextvars(request_id=request_id)
        started = time.perf_counter()
        response = await call_next(request)
        response.headers["x-request-id"] = request_id
        logger.info(
            "request",
            method=request.method,
            path=request.url.path,
            status=response.status_code,
            duration_ms=round((time.perf_counter() - started) * 1000, 2),
            identity=request.state.username,
        )
        structlog.contextvars.clear_contextvars()
        return response


class LastResort(BaseHTTPMiddleware):
    async def dispatch(self, request: Request, call_next: Next) -> Response:
        try:
            return await call_next(request)
        except Exception:
            logger.exception("unhandled exception")
            return JSONResponse({"code": "internal"}, 500)


class Limits(BaseHTTPMiddleware):
    async def dispatch(self, request: Request, call_next: Next) -> Response:
        if int(request.headers.get("content-length", "0")) > BODY_BYTES:
            return JSONResponse({"code": "body-too-large"}, 413)
        return await call_next(request)


class SecurityHeaders(BaseHTTPMiddleware):
    async def dispatch(self, request: Request, call_next: Next) -> Response:
        response = await call_next(request)
        for name, value in SECURITY_HEADERS.items():
            response.headers.setdefault(name, value)
        return response


class CrossSite(BaseHTTPMiddleware):
    async def dispatch(self, request: Request, call_next: Next) -> Response:
        if request.method not in SAFE_METHODS and "cookie" in request.headers:
            origin = request.headers.get("origin")
            if origin and urlsplit(origin).netloc != request.headers.get("host"):
                return JSONResponse({"code": "cross-site"}, 403)
        return await call_next(request)


class KeyIdentity(BaseHTTPMiddleware):
    known: dict[tuple[str, str], tuple[float, str]] = {}  # noqa: RUF012  # one a process is meant

    async def dispatch(self, request: Request, call_next: Next) -> Response:
        request.state.username = await self._find(request.headers.get("authorization", ""))
        if request.state.username is None:
            return JSONResponse({"code": "bad-credential"}, 401)
        return await call_next(request)

    async def _find(self, header: str) -> str | None:
        prefix, digest = split_bearer(header)
        until, username = self.known.get((prefix, digest), (0.0, ""))
        if time.monotonic() < until:
            return username
        async with sessions() as session:
            key = await session.scalar(key_query(prefix))
        if key is None or not is_good(
            digest,
            key.digest,
            is_active=key.owner.is_active,
            expires_at=key.expires_at,
            revoked_at=key.revoked_at,
        ):
            return None
        self.known[prefix, digest] = (time.monotonic() + CACHE_SECONDS, key.owner.username)
        return key.owner.username


class UnitOfWork(BaseHTTPMiddleware):
    async def dispatch(self, request: Request, call_next: Next) -> Response:
        async with sessions() as session:
            request.state.session = session
            response = await call_next(request)
            if response.status_code < 400:
                await session.commit()
            return response


app = FastAPI(openapi_url=None)
for layer in (UnitOfWork, KeyIdentity, CrossSite, SecurityHeaders, Limits, LastResort, AccessLog):
    app.add_middleware(layer)


@app.get("/greeting")
async def greet() -> Greeting:
    return Greeting(greeting="hello", number=42)
