"""The pages for errors: a project's own at its addresses, if it has them, and ours everywhere else.

A project's are the templates that Django looks for: ``404.html`` and its kin.
"""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.template import TemplateDoesNotExist
from django.template.loader import get_template
from django.views import defaults

from trivet_admin.site import pages
from trivet_admin.site.policy import is_of_admin


def bad_request(request: HttpRequest, exception: Exception) -> Any:
    """Django's ``handler400``."""
    if _has_own(request, defaults.ERROR_400_TEMPLATE_NAME):
        return defaults.bad_request(request, exception)
    return pages.bad_request(request, exception)


def permission_denied(request: HttpRequest, exception: Exception) -> Any:
    """Django's ``handler403``."""
    if _has_own(request, defaults.ERROR_403_TEMPLATE_NAME):
        return defaults.permission_denied(request, exception)
    return pages.permission_denied(request, exception)


def page_not_found(request: HttpRequest, exception: Exception) -> Any:
    """Django's ``handler404``."""
    if _has_own(request, defaults.ERROR_404_TEMPLATE_NAME):
        return defaults.page_not_found(request, exception)
    return pages.page_not_found(request, exception)


def server_error(request: HttpRequest) -> HttpResponse:
    """Django's ``handler500``. What the database refused is told by a page of ours."""
    if _has_own(request, defaults.ERROR_500_TEMPLATE_NAME) and not pages.is_refusal():
        return defaults.server_error(request)
    return pages.server_error(request)


def _has_own(request: HttpRequest, template: str) -> bool:
    if is_of_admin(request.path_info):
        return False
    try:
        get_template(template)
    except TemplateDoesNotExist:
        return False
    return True
