"""Refusals of Django's views that are outcomes, and advice where one should have been declared.

Well-kept Django applications answer 401 to a logout (nobody is logged in now), or 401 and 409 to
a login that has further steps. A view of one's own is decorated by `trivet.commits_on`; the views
of somebody else's URLconf are declared where they are included::

    path("_allauth/", views_commit_on(include("allauth.headless.urls"), 401, 409))
"""

from collections.abc import Iterator, Sequence
from typing import Any

import structlog
from django.db import DEFAULT_DB_ALIAS, connections
from django.http import HttpRequest
from django.urls import get_resolver

from trivet.context import STATE_KEY, RequestContext
from trivet.outcome import commits_on, declared_by, in_words
from trivet_admin.site.pages import REFUSED
from trivet_admin.users.revocation_batch import has_ended_session

logger = structlog.stdlib.get_logger("trivet.outcome")

KNOWN: dict[str, tuple[int, ...]] = {"allauth.headless": (401, 409)}
"""Packages whose views are known to answer so, and with which statuses."""

_advised: set[str] = set()
"""Views of which the log has said it in this process: once is enough."""


def views_commit_on(included: Any, *statuses: int) -> Any:
    """Declare refusals of all views in a URLconf as outcomes.

    Args:
        included: What Django's `include()` gives, or a list of `path()`s.
        statuses: From 400 to 499.

    Returns:
        `included`, for `path()`.

    Raises:
        ValueError: For a status that is no refusal.
    """
    mark = commits_on(*statuses)
    for callback in _callbacks(included[0] if isinstance(included, tuple) else included):
        mark(callback)
    return included


def outcomes_of(request: HttpRequest) -> frozenset[int]:
    """The refusals that keep what this request did: the view's, and the mount's. None does if the
    database has refused the request."""
    if hasattr(request, REFUSED):
        return frozenset()
    scope = getattr(request, "scope", None) or {}
    context: RequestContext | None = scope.get("state", {}).get(STATE_KEY)
    declared = frozenset[int]() if context is None else context.commits_on
    match = request.resolver_match
    return declared if match is None else declared | outcomes_of_view(match.func)


def outcomes_of_view(view: Any) -> frozenset[int]:
    """The refusals that a view declares as outcomes; a class says it for its `as_view()`."""
    return declared_by(view) | declared_by(getattr(view, "view_class", None))


def advise_on_sessions(request: Any, status: int) -> None:
    """Say in the log, once for each view, that its refusal undid what it did to a session."""
    if has_ended_session(connections[DEFAULT_DB_ALIAS]):
        what = "the end of a session"
    elif getattr(getattr(request, "session", None), "modified", False):
        what = "a change of the session"
    else:
        return
    name = _name(request.resolver_match.func) if request.resolver_match else request.path
    if name not in _advised:
        _advised.add(name)
        logger.warning(
            "%s was rolled back, because %s answered %d; if that is an outcome to be kept, "
            "declare it: @commits_on(%d)",
            what,
            name,
            status,
            status,
        )


def advise_on_ended_session(connection: Any) -> None:
    """Say in the log, once, that a unit of another room was rolled back that ended a session."""
    if has_ended_session(connection) and "" not in _advised:
        _advised.add("")
        logger.warning(
            "the end of a session was rolled back with the unit of work of its request; if the "
            "refusal that was answered is an outcome to be kept, declare it at the endpoint: "
            "@commits_on(401)"
        )


def find_undeclared(patterns: Sequence[Any] | None = None) -> Iterator[str]:
    """A sentence for each package of `KNOWN` with views in `patterns`, by default in all that the
    admin serves, that declare no outcome."""
    found: dict[str, str] = {}
    for view in _callbacks(get_resolver().url_patterns if patterns is None else patterns):
        module = getattr(getattr(view, "view_class", view), "__module__", "")
        for package in KNOWN:
            if f"{module}.".startswith(f"{package}.") and not outcomes_of_view(view):
                found.setdefault(package, module)
    for package in found:
        statuses = in_words(KNOWN[package])
        yield (
            f"what views of {package} do before they answer {statuses} must be kept, but it "
            f"is rolled back: include them by views_commit_on(include(…), {statuses})"
        )


def _name(view: Any) -> str:
    named = getattr(view, "view_class", view)
    return f"{named.__module__}.{getattr(named, '__qualname__', '')}"


def _callbacks(patterns: Any) -> Iterator[Any]:
    for entry in getattr(patterns, "urlpatterns", patterns):
        if hasattr(entry, "url_patterns"):
            yield from _callbacks(entry.url_patterns)
        else:
            yield entry.callback
