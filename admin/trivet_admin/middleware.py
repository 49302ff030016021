"""Django middleware: the request's transaction, and the platform's identity."""

from collections.abc import Callable
from typing import Any

from django.contrib.auth.models import AnonymousUser
from django.db import transaction
from django.http import HttpRequest, HttpResponseBase

from trivet.context import STATE_KEY, RequestContext
from trivet_admin.sessions import SessionSource

GetResponse = Callable[[HttpRequest], HttpResponseBase]

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})


class UnitMiddleware:
    """One transaction around an unsafe request, which its status decides: below 400 it is
    committed before the response leaves, otherwise nothing of it stays.

    A safe request gets none: on SQLite it would wait for every writer. The outermost, so
    that views' exceptions have become responses here.
    """

    sync_capable = True
    async_capable = False

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if request.method in SAFE_METHODS:
            return self.get_response(request)
        with transaction.atomic():
            response = self.get_response(request)
            if response.status_code >= 400:
                transaction.set_rollback(True)
        return response


class IdentityMiddleware:
    """Takes over the identity that the root established, with no query of Django's own.

    Only a session counts here: whoever comes with an API key is nobody. Where no platform
    stands around Django (its own test client), Django finds the user itself.
    """

    sync_capable = True
    async_capable = False

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        context = _find_context(request)
        if context is not None:
            source = context.identity.source
            if context.identity.kind == "session" and isinstance(source, SessionSource):
                _take_over(request, source)
            else:
                _set_user(request, AnonymousUser())
        return self.get_response(request)


def _take_over(request: Any, source: SessionSource) -> None:
    # Copies, because an identity may be cached and serve several requests at once.
    request.session = source.open_store()
    user = source.make_user()
    _set_user(request, user)


def _set_user(request: Any, user: Any) -> None:
    """Where Django's own middleware keeps what it found. Private names, pinned by a test."""
    request._cached_user = request._acached_user = user  # noqa: SLF001  # as just said


def _find_context(request: HttpRequest) -> RequestContext | None:
    scope = getattr(request, "scope", None)
    return scope.get("state", {}).get(STATE_KEY) if scope else None
