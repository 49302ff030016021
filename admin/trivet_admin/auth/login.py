"""Login and logout for the other rooms: Django's own, on threads of their own."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any, TypeVar

import anyio
import anyio.to_thread
from starlette.requests import HTTPConnection

from trivet.context import context_of
from trivet.errors import TooManyRequests
from trivet.identity.accounts import SessionCookie
from trivet.identity.login_log import LoginOutcome, log_login
from trivet.identity.throttle import LoginThrottle
from trivet_admin.auth.sessions import SessionSource, identity_of, session_cookie
from trivet_admin.backends.allowed import django_allowed
from trivet_admin.configuration import LOGIN_THREADS
from trivet_admin.transactions import by_meaning

T = TypeVar("T")


@dataclass(slots=True)
class _CheckedLogin:
    """A login whose password was right. It stands at its request until the log knows its end."""

    account: str
    address: str
    is_open: bool = False


class DjangoAccounts:
    """The platform's `Accounts`: the same sessions that the admin's login page makes.

    The work runs on at most `LOGIN_THREADS` threads, since hashing a password would stall
    the event loop; each call gives its database connection back.
    """

    @property
    def cookie_name(self) -> str:
        return session_cookie()

    async def log_in(
        self, connection: HTTPConnection, username: str, password: str
    ) -> SessionCookie | None:
        """Open a session, or None; see `trivet.identity.accounts.Accounts`.

        As Django's login does it: a session that was there gets a new key, one of another
        user ends, and `last_login` is written.
        """
        request = _request(connection)
        throttle = context_of(connection.scope).platform.login_throttle
        return await self._on_thread(lambda: _log_in(request, username, password, throttle))

    async def log_out(self, connection: HTTPConnection) -> None:
        """End the session of `connection`, in the database and for every open socket."""
        if session_cookie() in connection.cookies:
            request = _request(connection)
            await self._on_thread(lambda: _log_out(request))

    async def _on_thread(self, work: Callable[[], T]) -> T:
        with django_allowed():
            return await anyio.to_thread.run_sync(_with_connection, work, limiter=self._limiter)

    @cached_property
    def _limiter(self) -> anyio.CapacityLimiter:
        return anyio.CapacityLimiter(LOGIN_THREADS)


def _request(connection: HTTPConnection) -> Any:
    """The parts of a request that Django's login reads and writes, without the request."""
    from django.http import HttpRequest

    from trivet_admin.auth.session_store import SessionStore

    request = HttpRequest()
    request.META["REMOTE_ADDR"] = connection.client.host if connection.client else ""
    request.session = SessionStore(connection.cookies.get(session_cookie()))
    return request


def _with_connection(work: Callable[[], T]) -> T:
    from django.db import connections

    try:
        return by_meaning(work)
    finally:
        connections.close_all()


def check_password(request: Any, username: str, password: str, throttle: LoginThrottle) -> Any:
    """The active user whose password this is, or None; for every door, so that all of them
    count together.

    The same work is done whether the user exists, is active or neither. Call it outside a
    transaction: on SQLite it would hold everybody's write lock for the time of the hash.
    Raises TooManyRequests, without looking at the password. Each outcome leaves a line in the
    log (docs/security.md); that of a right password is `log_checked_login`'s to write.
    """
    from django.contrib.auth import authenticate

    address = request.META.get("REMOTE_ADDR", "")
    try:
        with throttle.attempt(username, address) as attempt:
            user = authenticate(request, username=username, password=password)
            if user is None:
                attempt.fail()
            else:
                attempt.succeed()
    except TooManyRequests:
        log_login("throttled", username, address)
        raise
    if user is None:
        log_login("failed", username, address)
    else:
        request.trivet_login = _CheckedLogin(username, address)
    return user


def note_opened(request: Any, **_signal: Any) -> None:
    """Receives `user_logged_in`: the session of `request` is the user's, if it can be stored."""
    if (login := getattr(request, "trivet_login", None)) is not None:
        login.is_open = True


def log_checked_login(request: Any, *, is_kept: bool) -> None:
    """Write the line of a login whose password was right, now that its request has ended.

    `is_kept` is whether what the request wrote is in the database. Without it, and without a
    session, as where the admin is only for staff, the login was refused.
    """
    login: _CheckedLogin | None = getattr(request, "trivet_login", None)
    if login is not None:
        outcome: LoginOutcome = "succeeded" if is_kept and login.is_open else "refused"
        log_login(outcome, login.account, login.address)


def _log_in(
    request: Any, username: str, password: str, throttle: LoginThrottle
) -> SessionCookie | None:
    from django.conf import settings
    from django.contrib.auth import login
    from django.db.transaction import atomic

    user = check_password(request, username, password, throttle)
    if user is None:
        return None
    is_kept = False
    try:
        with atomic():
            login(request, user)
            request.session.save()
            source = _source(request, user)
        is_kept = True
    finally:
        log_checked_login(request, is_kept=is_kept)
    max_age = int(settings.SESSION_COOKIE_AGE)
    return SessionCookie(
        name=session_cookie(),
        value=source.session_key,
        max_age=max_age,
        expires_at=datetime.now(UTC) + timedelta(seconds=max_age),
        secure=bool(settings.SESSION_COOKIE_SECURE),
        identity=identity_of(source),
    )


def _source(request: Any, user: Any) -> SessionSource:
    held = frozenset[str]() if user.is_superuser else frozenset[str](user.get_all_permissions())
    row = {field.attname: getattr(user, field.attname) for field in user._meta.concrete_fields}
    return SessionSource(request.session.session_key, row, held)


def _log_out(request: Any) -> None:
    from django.contrib.auth import get_user, logout
    from django.db.transaction import atomic

    request.user = get_user(request)
    with atomic():
        logout(request)
