"""The pages of the admin, opened once: what only a page finds out, before anybody meets it.

A list can ask the database for what its table does not have, a form can call a method that fails,
a template can miss what it shows. None of it is seen when the classes are loaded.
"""

from collections.abc import Iterator
from importlib import import_module
from typing import Any

_FAILED = 400


def find_broken_pages() -> Iterator[str]:
    """A sentence for each list, add form and change form of the admin that cannot be shown.

    They are opened as a superuser would, who stands in no table; a change form with the first row
    of its list. Whatever a page might write is rolled back.
    """
    from django.contrib import admin
    from django.db import transaction

    with transaction.atomic():
        for model, model_admin in list(admin.site._registry.items()):  # noqa: SLF001  # Django has no public list of them
            for path in _paths_of(model, model_admin):
                fault = _fault_at(path)
                if fault:
                    yield f"{path} cannot be shown: {fault}"
        transaction.set_rollback(True)


def _paths_of(model: Any, model_admin: Any) -> Iterator[str]:
    """Where the pages of `model` are that somebody may see."""
    from django.urls import reverse

    name = f"admin:{model._meta.app_label}_{model._meta.model_name}"
    request = _visit("/")
    if not model_admin.has_view_or_change_permission(request):
        return
    yield reverse(f"{name}_changelist")
    if model_admin.has_add_permission(request):
        yield reverse(f"{name}_add")
    row = _first_row(model_admin, request)
    if row is not None:
        yield reverse(f"{name}_change", args=[row.pk])


def _first_row(model_admin: Any, request: Any) -> Any:
    """A row of the list; None if it is empty, or cannot be read, which the list says itself."""
    from django.db import transaction

    try:
        with transaction.atomic():
            return model_admin.get_queryset(request).first()
    except Exception:  # noqa: BLE001  # as in `_fault_at`
        return None


def _fault_at(path: str) -> str:
    """What happens instead of the page; empty if it can be shown."""
    from django.db import transaction
    from django.urls import resolve

    found = resolve(path)
    try:
        with transaction.atomic():
            response = found.func(_visit(path), *found.args, **found.kwargs)
            if hasattr(response, "render"):
                response.render()
    except Exception as error:  # noqa: BLE001  # whatever it is, it is what visitors would meet
        return f"{type(error).__name__}: {error}"
    status: int = response.status_code
    return "" if status < _FAILED else f"status {status}"


def _visit(path: str) -> Any:
    """A request of a superuser."""
    from django.conf import settings
    from django.contrib.auth import get_user_model
    from django.contrib.messages.storage.fallback import FallbackStorage
    from django.test import RequestFactory

    host = settings.ALLOWED_HOSTS[0].lstrip(".*") or "localhost"
    request: Any = RequestFactory(SERVER_NAME=host).get(path)
    request.user = get_user_model()(is_superuser=True, is_staff=True, is_active=True)
    request.session = import_module(settings.SESSION_ENGINE).SessionStore()
    request._messages = FallbackStorage(request)  # noqa: SLF001  # as Django's documents have it
    return request
