"""Login and logout for the other rooms: Django's own, on threads of their own."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any, TypeVar

import anyio
import anyio.to_thread
from starlette.requests import HTTPConnection

from trivet.identity.accounts import SessionCookie
from trivet_admin.configuration import LOGIN_THREADS, SESSION_COOKIE
from trivet_admin.sessions import SessionSource, identity_of

T = TypeVar("T")


class DjangoAccounts:
    """The platform's `Accounts`: the same sessions that the admin's login page makes.

    The work runs on at most `LOGIN_THREADS` threads, since hashing a password would stall
    the event loop; each call gives its database connection back.
    """

    @property
    def cookie_name(self) -> str:
        return SESSION_COOKIE

    async def log_in(
        self, connection: HTTPConnection, username: str, password: str
    ) -> SessionCookie | None:
        """Open a session, or None; see `trivet.identity.accounts.Accounts`.

        As Django's login does it: a session that was there gets a new key, one of another
        user ends, and `last_login` is written.
        """
        request = _request(connection)
        return await self._on_thread(lambda: _log_in(request, username, password))

    async def log_out(self, connection: HTTPConnection) -> None:
        """End the session of `connection`, in the database and for every open socket."""
        if SESSION_COOKIE in connection.cookies:
            request = _request(connection)
            await self._on_thread(lambda: _log_out(request))

    async def _on_thread(self, work: Callable[[], T]) -> T:
        return await anyio.to_thread.run_sync(_with_connection, work, limiter=self._limiter)

    @cached_property
    def _limiter(self) -> anyio.CapacityLimiter:
        return anyio.CapacityLimiter(LOGIN_THREADS)


def _request(connection: HTTPConnection) -> Any:
    """What Django's login reads and writes of a request, without the request."""
    from django.contrib.sessions.backends.db import SessionStore
    from django.http import HttpRequest

    request = HttpRequest()
    request.META["REMOTE_ADDR"] = connection.client.host if connection.client else ""
    request.COOKIES.update(connection.cookies)
    request.session = SessionStore(connection.cookies.get(SESSION_COOKIE))
    return request


def _with_connection(work: Callable[[], T]) -> T:
    from django.db import connections

    try:
        return work()
    finally:
        connections.close_all()


def _log_in(request: Any, username: str, password: str) -> SessionCookie | None:
    from django.conf import settings
    from django.contrib.auth import authenticate, login
    from django.db.transaction import atomic

    # Outside the transaction: on SQLite it would hold everybody's write lock for the hash.
    user = authenticate(request, username=username, password=password)
    if user is None:
        return None
    with atomic():
        login(request, user)
        request.session.save()
        source = _source(request, user)
    max_age = int(settings.SESSION_COOKIE_AGE)
    return SessionCookie(
        name=SESSION_COOKIE,
        value=source.session_key,
        max_age=max_age,
        expires_at=datetime.now(UTC) + timedelta(seconds=max_age),
        secure=bool(settings.SESSION_COOKIE_SECURE),
        identity=identity_of(source),
    )


def _source(request: Any, user: Any) -> SessionSource:
    held = frozenset[str]() if user.is_superuser else frozenset[str](user.get_all_permissions())
    row = {field.attname: getattr(user, field.attname) for field in user._meta.concrete_fields}
    return SessionSource(request.session.session_key, dict(request.session.items()), row, held)


def _log_out(request: Any) -> None:
    from django.contrib.auth import get_user, logout
    from django.db.transaction import atomic

    request.user = get_user(request)
    with atomic():
        logout(request)
