"""Idempotency-Key at the routes of the API: where a key is taken, demanded or refused.

Every unsafe route takes a key, once its policies have agreed: whoever has lost a permission since
gets the refusal, and not the answer that was kept. A route says otherwise where its dependencies
stand:

    @router.post("/payments", dependencies=[requires("shop.add_payment"), idempotency_required])
    @router.post("/tokens", dependencies=[authenticated, idempotency_refused])

The claim itself, and what it promises, is `trivet.idempotency`.
"""

import hashlib
from collections.abc import Iterable
from typing import Any

from fastapi import Depends, Request
from fastapi.datastructures import DefaultPlaceholder
from fastapi.responses import FileResponse, StreamingResponse
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import Message, Receive, Scope

from trivet.asgi.middleware.cross_site import SAFE_METHODS
from trivet.context import context_of
from trivet.errors import Invalid, TrivetError, Unauthenticated
from trivet.idempotency.answer import KeptAnswer
from trivet.idempotency.claiming import KeyedRequest
from trivet.idempotency.header import malformed, read_key
from trivet.identity.authority import authority_of


class KeyRule:
    """What a route does with keys. It is asked before anything is solved. Where FastAPI solves it
    as a dependency, as on a release that was not proved, it can still demand a key."""

    def __init__(self, words: str) -> None:
        self.words = words

    async def __call__(self, request: Request) -> None:
        if self is REQUIRES and context_of(request.scope).claim is None:
            _require_key(request.scope)


TAKES = KeyRule("takes a key")
REQUIRES = KeyRule("requires a key")
REFUSES = KeyRule("takes no key")

idempotency_required = Depends(REQUIRES)
"""The dependency of a route that is not called without an Idempotency-Key: 400 without one."""

idempotency_refused = Depends(REFUSES)
"""The dependency of a route that takes no Idempotency-Key, because its answer is a secret, which
should not be kept, or because it begins its transaction itself: 422 with one."""


def key_rule_among(dependencies: Iterable[Any]) -> KeyRule | None:
    """The rule in a `dependencies=[…]`; of several that of the route, which stands last."""
    found = [getattr(each, "dependency", None) for each in dependencies]
    return next((each for each in reversed(found) if isinstance(each, KeyRule)), None)


def key_rule_of(route: Any, declared: KeyRule | None = None) -> KeyRule:
    """The rule of a route as it lies in the API, or of its effective context.

    A route that streams refuses keys by itself: nobody can say how large its answer becomes.
    """
    rule = declared or key_rule_among(getattr(route, "dependencies", None) or ())
    if rule is None:
        rule = getattr(getattr(route, "original_route", None), "key_rule", TAKES)
    return REFUSES if _streams(route) else rule


def _streams(route: Any) -> bool:
    if getattr(route, "is_sse_stream", False) or getattr(route, "is_json_stream", False):
        return True
    kind = getattr(route, "response_class", None)
    kind = kind.value if isinstance(kind, DefaultPlaceholder) else kind
    return isinstance(kind, type) and issubclass(kind, StreamingResponse | FileResponse)


class KeptResponse(Response):
    """A kept answer, given once more."""

    def __init__(self, kept: KeptAnswer) -> None:
        super().__init__(kept.body, kept.status)
        self.raw_headers = kept.raw_headers


async def take_key(
    scope: Scope, receive: Receive, rule: KeyRule
) -> tuple[KeptResponse | None, Receive]:
    """Take the key of a request that may enter a route with `rule`.

    Returns:
        The answer that was given before, or None if the endpoint has to give one; and the way to
        read the body, which is read here for its digest.

    Raises:
        Malformed: The key is none, or missing where it is required (400).
        Invalid: The route takes no key, or the key was used for another request (422).
        Unauthenticated: Nobody is known behind the request (401).
        Conflict: A request with this key is still running (409).
    """
    context = context_of(scope)
    claim = context.claim
    if claim is None:
        if rule is REQUIRES:
            _require_key(scope)
        return None, receive
    if claim.is_taken:  # a router of somebody's own handed it on to a route of ours
        return None, receive
    key = read_key(scope["headers"])
    if rule is REFUSES:
        raise not_taken()
    user_id = context.identity.user_id
    if user_id is None:
        raise Unauthenticated(
            "not-authenticated",
            "An Idempotency-Key belongs to a user. Log in, send an API key, or leave it out.",
        )
    body = await _read(receive)
    request = KeyedRequest(
        user_id=user_id,
        key=key,
        fingerprint=fingerprint(scope, body),
        authority=authority_of(context.identity),
        request_id=context.request_id,
    )
    kept = await claim.take(request)
    return None if kept is None else KeptResponse(kept), read_again(body, receive)


def _require_key(scope: Scope) -> None:
    if scope["method"] not in SAFE_METHODS:
        raise malformed(
            "this route requires one; make a new one for each change, and send it again with "
            "each attempt",
            "idempotency-key-missing",
        )


def not_taken() -> TrivetError:
    """The refusal of a key by a route that takes none."""
    detail = "this route takes none, because its answer is not kept; leave it out"
    return Invalid(
        "idempotency-key-not-taken",
        f"The Idempotency-Key cannot be taken: {detail}.",
        errors=[{"in": "header", "pointer": "/idempotency-key", "detail": detail}],
    )


def fingerprint(scope: Scope, body: bytes) -> str:
    """A digest of what a request asks for: method, path, query string, type and body.

    Conditions are left out. Whoever retries may have read a newer version meanwhile, that of the
    change itself, and asks for the same change.
    """
    kind = next((value for name, value in scope["headers"] if name == b"content-type"), b"")
    path = scope["path"].encode("utf-8", "surrogatepass")
    digest = hashlib.sha256()
    for part in (scope["method"].encode(), path, scope["query_string"], kind, body):
        digest.update(len(part).to_bytes(8))
        digest.update(part)
    return digest.hexdigest()


async def _read(receive: Receive) -> bytes:
    parts: list[bytes] = []
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        parts.append(message.get("body", b""))
        if not message.get("more_body", False):
            return b"".join(parts)


def read_again(body: bytes, receive: Receive) -> Receive:
    """A way to read `body` once more; after it comes what `receive` says."""
    is_read = False

    async def receive_again() -> Message:
        nonlocal is_read
        if is_read:
            return await receive()
        is_read = True
        return {"type": "http.request", "body": body, "more_body": False}

    return receive_again
