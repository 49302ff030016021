"""The admin's pages for what went wrong. They look like the admin, say what is missing, and carry
the request id, by which the log and the audit trail find the request.

A page after an unsafe request, or after a fault, asks the database for nothing: its transaction
may be broken, and the database may be what does not answer.
"""

import sys
from typing import Any

import structlog
from django.apps import apps
from django.conf import settings
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.views.defaults import server_error as django_server_error

from trivet.asgi.middleware.cross_site import SAFE_METHODS
from trivet.asgi.middleware.last_resort import log_refusal
from trivet.context import current_context
from trivet.data.validators import find_refusal
from trivet.errors import TrivetError, Unavailable
from trivet_admin.errors.to_trivet import explain_database
from trivet_admin.site.policy import permissions_of

logger = structlog.stdlib.get_logger("trivet.errors")

_TRY_AGAIN = "Nothing was changed. Go back and try again; if it stays so, ask for help."


REFUSED = "trivet_refused"
"""Set on a request that the database refused."""


def refusal_page(request: HttpRequest, error: BaseException) -> HttpResponse | None:
    """409, or 503 with Retry-After, and a sentence; None if `error` is a fault of ours."""
    explained = explain_database(error)
    if explained is None:
        return None
    if not isinstance(error, TrivetError) and find_refusal(error) is None:
        log_refusal(error)
    response = _page(request, explained.status, explained.detail, _TRY_AGAIN, bare=True)
    if isinstance(explained, Unavailable):
        response["Retry-After"] = str(explained.retry_after)
    return response


def refuse(request: HttpRequest, error: BaseException) -> HttpResponse | None:
    """`refusal_page`, noted at the request: what the database refused is no outcome to be kept,
    whatever the view declares."""
    page = refusal_page(request, error)
    if page is not None:
        setattr(request, REFUSED, True)
    return page


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Django's ``handler400``: what was sent cannot be what our pages send."""
    del exception  # it may quote what was sent
    sentence = "The request could not be understood. Go back, reload the page and try again."
    return _page(request, 400, "Bad request", sentence, bare=True)


def permission_denied(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """Django's ``handler403``: names the permission that is missing."""
    missing = _missing_permissions(request)
    told = str(exception) if isinstance(exception, PermissionDenied) else ""
    if not told and missing:
        told = "Your account lacks a permission that this page needs."
    elif not told:
        told = "Your account may not do this."
    return _page(request, 403, "Permission denied", told, missing=missing)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Django's ``CSRF_FAILURE_VIEW``: a form without the token that we gave with it."""
    logger.info("a form came without its token", reason=reason)
    sentence = (
        "This form is older than your login, or cookies are blocked. Go back, reload the page "
        "and send it again."
    )
    return _page(request, 403, "The form could not be accepted", sentence, bare=True)


def page_not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Django's ``handler404``."""
    del exception
    return _page(request, 404, "Page not found", f"There is nothing at {request.path}.")


def server_error(request: HttpRequest) -> HttpResponse:
    """Django's ``handler500``, for exceptions outside of views too (a session that cannot be
    read, a transaction that cannot begin): called while the exception is being handled."""
    error = sys.exc_info()[1]
    page = None if error is None else refuse(request, error)
    if page is not None:
        return page
    sentence = "Something went wrong on our side, and nothing was changed. Quote the request id."
    try:
        return _page(request, 500, "Server error", sentence, bare=True)
    except Exception:  # noqa: BLE001  # a template may be what is broken; then Django's own words
        return django_server_error(request)


def is_refusal() -> bool:
    """Whether the exception that is being handled is a refusal of the database's."""
    error = sys.exc_info()[1]
    return error is not None and explain_database(error) is not None


def _page(
    request: HttpRequest,
    status: int,
    title: str,
    sentence: str,
    *,
    missing: tuple[tuple[str, str], ...] = (),
    bare: bool = False,
) -> HttpResponse:
    """The page; `bare` leaves out what the database would be asked for: who is here, and the
    side bar."""
    context = current_context()
    values: dict[str, Any] = {
        "site_header": settings.TRIVET_NAME,
        "site_title": settings.TRIVET_TITLE,
        "site_logo": settings.TRIVET_LOGO,
        "title": title,
        "sentence": sentence,
        "missing": missing,
        "request_id": context.request_id if context is not None else "",
    }
    is_whole = not bare and request.method in SAFE_METHODS and admin.site.has_permission(request)
    if is_whole:
        values = {**admin.site.each_context(request), **values}
    page = render_to_string("trivet_admin/error.html", values, request if is_whole else None)
    return HttpResponse(page, status=status)


def _missing_permissions(request: HttpRequest) -> tuple[tuple[str, str], ...]:
    """The permissions any one of which would open the page, each with its name; empty if the
    account has one, so that something else is missing."""
    match = request.resolver_match
    user: Any = request.user
    wanted = (permissions_of(match.view_name) if match is not None else None) or ()
    if any(user.has_perm(permission) for permission in wanted):
        return ()
    return tuple((permission, _name_of(permission)) for permission in wanted)


def _name_of(permission: str) -> str:
    """Django's name of a permission, such as "Can change flight"."""
    app, _, codename = permission.partition(".")
    verb, _, model = codename.partition("_")
    return f"Can {verb} {apps.get_model(app, model)._meta.verbose_name}"
