"""The way from a row of the admin to its page on the site: for those who see the row.

Django redirects whoever is staff, by the type and the key of a row, to what its
``get_absolute_url`` says.
"""

from functools import wraps
from typing import Any

from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import ValidationError
from django.http import Http404, HttpRequest
from django.urls import URLPattern

from trivet_admin.site.seen_rows import narrows, seen_among

NAME = "view_on_site"


def of_seen_rows(site: Any, pattern: Any) -> Any:
    """`pattern`, if it is that of Django's redirect, with a view that looks for the row first."""
    if not isinstance(pattern, URLPattern) or pattern.name != NAME:
        return pattern
    del site
    plain = pattern.callback

    @wraps(plain)
    def view(request: HttpRequest, content_type_id: Any, object_id: Any) -> Any:
        _require_seen(request, content_type_id, object_id)
        return plain(request, content_type_id=content_type_id, object_id=object_id)

    return URLPattern(pattern.pattern, view, pattern.default_args, pattern.name)


def _require_seen(request: HttpRequest, content_type_id: Any, object_id: Any) -> None:
    found = ContentType.objects.filter(pk=content_type_id).first() if narrows() else None
    model = None if found is None else found.model_class()
    if model is None:
        return
    try:
        key = model._meta.pk.to_python(object_id)
    except (ValueError, ValidationError):
        return
    if key not in seen_among(request, model, [key]):
        raise Http404(f"There is no {model._meta.verbose_name} {object_id}")
