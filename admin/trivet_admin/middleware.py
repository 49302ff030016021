"""Django middleware: the request's transaction, and the platform's identity."""

from collections.abc import Callable
from typing import Any

from django.contrib.admin import site
from django.contrib.auth.models import AnonymousUser
from django.contrib.auth.views import redirect_to_login
from django.db import DEFAULT_DB_ALIAS, connections, transaction
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.urls import reverse

from trivet.asgi.middleware.cross_site import SAFE_METHODS
from trivet.asgi.middleware.last_resort import DEBUG_PAGE_POLICY
from trivet.context import STATE_KEY, RequestContext, current_context
from trivet.data.replicas.replica import Replica
from trivet.lifecycle import State
from trivet_admin.auth.login import log_checked_login
from trivet_admin.auth.sessions import SessionSource
from trivet_admin.outcomes import advise_on_sessions, outcomes_of
from trivet_admin.site.pages import refusal_page, refuse
from trivet_admin.site.policy import LOGIN_PATH, PREFIX, is_of_admin, is_public

GetResponse = Callable[[HttpRequest], HttpResponseBase]


class DebugPagesMiddleware:
    """Under debug alone: lets Django's pages of a traceback and of the known addresses use the
    style and the scripts that they bring in themselves.

    Nothing else on them may load or be sent anywhere, the traceback included.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        if isinstance(response, HttpResponse) and _is_debug_page(response):
            response["Content-Security-Policy"] = DEBUG_PAGE_POLICY
        return response


def _is_debug_page(response: HttpResponse) -> bool:
    # Django's handlers make them, and leave no other trace than this sentence at their end.
    return response.status_code >= 400 and b"<code>DEBUG = True</code>" in response.content


class UnitMiddleware:
    """One transaction around an unsafe request, which its status decides: below 400 it is
    committed before the response leaves, otherwise nothing of it stays. A view may declare a
    refusal of its own an outcome to be kept (`trivet.outcome`).

    What the database refuses, in the view or at the commit, becomes a page that says so
    (409, or 503 with Retry-After), in place of whatever success was prepared. A streamed
    response is committed before its first byte, and may only read from then on.

    A safe request gets no transaction: on SQLite it would wait for every writer. Nor does the
    login page: it would hold everybody's write lock there for the time of the hash. A safe request
    reads from a replica, if there is one that its client may read from, until it writes.

    The outermost, so that views' exceptions have become responses here.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        is_kept = False
        try:
            response = self._answer(request)
            is_kept = response.status_code < 400
        finally:
            log_checked_login(request, is_kept=is_kept)
        return response

    def _answer(self, request: HttpRequest) -> HttpResponseBase:
        connection: Any = connections[DEFAULT_DB_ALIAS]
        connection.is_streaming = False  # whatever this thread did before
        connection.replica = _find_replica(request)
        if request.method in SAFE_METHODS or request.path_info == PREFIX + LOGIN_PATH:
            response = self.get_response(request)
        else:
            try:
                response = self._decide(request, connection)
            except Exception as error:
                page = refusal_page(request, error)
                if page is None:
                    raise
                return page
        if response.streaming:
            _refuse_writes_until_closed(response, connection)
        return response

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        """The page for what the database refused inside a view; None leaves it to Django."""
        return refuse(request, error)

    def _decide(self, request: HttpRequest, connection: Any) -> HttpResponseBase:
        with transaction.atomic():
            response = self.get_response(request)
            status = response.status_code
            if _is_given_up():
                connection.rollback_reason = "the process stops"
                transaction.set_rollback(True)
            elif status < 400:
                connection.require_success()
            elif status not in outcomes_of(request):
                if not connection.needs_rollback:
                    advise_on_sessions(request, status)
                connection.rollback_reason = f"status {status}"
                transaction.set_rollback(True)
        return response


def _find_replica(request: HttpRequest) -> Replica | None:
    """The replica that a safe request may read from, until it writes."""
    context = current_context()
    return context.replica if context is not None and request.method in SAFE_METHODS else None


def _is_given_up() -> bool:
    """Whether the client was told that the process stops, while this thread went on. The state
    changes only after requests have had `shutdown_seconds` to finish."""
    context = current_context()
    if context is None:
        return False
    return context.platform.lifecycle.state in (State.DRAINING, State.STOPPED)


def _refuse_writes_until_closed(response: Any, connection: Any) -> None:
    connection.is_streaming = True

    def lift() -> None:
        connection.is_streaming = False

    response._resource_closers.append(lift)  # noqa: SLF001  # what Django's own FileResponse does; pinned by a test


class IdentityMiddleware:
    """Takes over the identity that the root established, with no query of Django's own.

    Only a session counts here: a request with an API key is anonymous. Where no platform
    stands around Django (its own test client), Django finds the user itself.

    An unsafe request finds its user itself too, for two queries: what it may write has to
    rest on the row as it is now, and a view that saves ``request.user`` must not write back
    what was remembered seconds ago.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        context = _find_context(request)
        if context is not None:
            source = context.identity.source
            if context.identity.kind != "session" or not isinstance(source, SessionSource):
                _set_user(request, AnonymousUser())
            elif request.method in SAFE_METHODS:
                _set_user(request, source.make_user())
        return self.get_response(request)


class PolicyMiddleware:
    """Refuses whatever view of the admin no policy covers: what is not public is for staff, also a
    view that somebody's ``get_urls`` added without a word about who may see it. Public is what is
    listed so, and what says it by Django's own ``login_not_required``. Elsewhere the policy of the
    mount has been checked, and the views of joined applications decide by themselves."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        return self.get_response(request)

    def process_view(self, request: HttpRequest, *_view: Any) -> HttpResponseBase | None:
        match = request.resolver_match
        if match is None or not is_of_admin(request.path_info):
            return None
        if is_public(match.view_name, match.func) or site.has_permission(request):
            return None
        return redirect_to_login(request.get_full_path(), reverse("admin:login"))


def _set_user(request: Any, user: Any) -> None:
    """Where Django's own middleware keeps what it found. Private names, pinned by a test."""
    request._cached_user = request._acached_user = user  # noqa: SLF001  # as just said


def _find_context(request: HttpRequest) -> RequestContext | None:
    scope = getattr(request, "scope", None)
    return scope.get("state", {}).get(STATE_KEY) if scope else None
