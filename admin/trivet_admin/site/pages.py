"""The admin's pages for what the database refused, in place of an empty "Server Error"."""

import sys

import structlog
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.views.defaults import server_error as django_server_error

from trivet.data.validators import find_refusal
from trivet.errors import TrivetError, Unavailable
from trivet_admin.errors.to_trivet import explain_database

logger = structlog.stdlib.get_logger("trivet.errors")


REFUSED = "trivet_refused"
"""Set on a request that the database refused."""


def refusal_page(error: BaseException) -> HttpResponse | None:
    """409, or 503 with Retry-After, and a sentence; None if `error` is a fault of ours.

    The page asks the database for nothing: it may be what does not answer.
    """
    explained = explain_database(error)
    if explained is None:
        return None
    if not isinstance(error, TrivetError) and find_refusal(error) is None:
        logger.warning("the database refused", error=str(error.__cause__ or error))
    page = render_to_string("trivet_admin/refused.html", {"title": explained.detail})
    response = HttpResponse(page, status=explained.status)
    if isinstance(explained, Unavailable):
        response["Retry-After"] = str(explained.retry_after)
    return response


def refuse(request: HttpRequest, error: BaseException) -> HttpResponse | None:
    """`refusal_page`, noted at the request: what the database refused is no outcome to be kept,
    whatever the view declares."""
    page = refusal_page(error)
    if page is not None:
        setattr(request, REFUSED, True)
    return page


def server_error(request: HttpRequest) -> HttpResponse:
    """Django's ``handler500``, for exceptions outside of views too (a session that cannot be
    read, a transaction that cannot begin): called while the exception is being handled."""
    error = sys.exc_info()[1]
    page = None if error is None else refuse(request, error)
    return page or django_server_error(request)
