"""The parts of the index besides the list of models: numbers, the visitor's latest changes, the
ways to other pages of the site.

Every query here is bounded: the index must open at once, however large a table has become.
"""

from contextlib import suppress
from typing import Any

from django.apps import apps
from django.contrib.admin import AdminSite
from django.contrib.admin.utils import quote
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.urls import reverse

from trivet.asgi.root import Root
from trivet.asgi.welcome import list_links
from trivet.audit import AuditEntry
from trivet.context import current_context
from trivet_admin.audit.visibility import mask, with_visibility
from trivet_admin.connections.model import Connection
from trivet_admin.mirror.registry import mirror
from trivet_admin.mirror.shape import has_whole_table, table_name_of

MOST_COUNTED = 10_000
"""A table with more rows than this is not counted to its end."""
RECENT_SHOWN = 10
RECENT_SEARCHED = 1000
"""How many of the trail's newest entries are looked through for the visitor's own: the trail has
no index by person, and may have millions."""

_VERBS = {
    "insert": ("added", "addlink"),
    "update": ("changed", "changelink"),
    "delete": ("deleted", "deletelink"),
}


def with_counts(site: AdminSite, request: HttpRequest, app_list: list[Any]) -> list[Any]:
    """`app_list`, in which every model that the visitor may list has the number of its rows."""
    for model in (model for app in app_list for model in app["models"]):
        # What is not in the database has no rows to count.
        if model["admin_url"] and model["model"] is not Connection:
            rows = site.get_model_admin(model["model"]).get_queryset(request).order_by()
            # One column of it is enough, and a key of several is no column.
            key = model["model"]._meta.pk_fields[0].attname
            count = rows.values(key)[: MOST_COUNTED + 1].count()
            model["count"] = f"{count:,}" if count <= MOST_COUNTED else f"{MOST_COUNTED:,}+"
    return app_list


def list_recent_changes(site: AdminSite, request: HttpRequest) -> list[dict[str, Any]]:
    """The visitor's latest changes, newest first, through every origin."""
    entries: Any = mirror(AuditEntry)
    newest = entries.objects.order_by("-at", "-id").values("pk")[:RECENT_SEARCHED]
    own = entries.objects.filter(pk__in=newest, actor_id=request.user.pk)
    newest_own = with_visibility(request, own).order_by("-at", "-id")[:RECENT_SHOWN]
    # A right to look may be gone since.
    seen = [entry for entry in mask(request, newest_own) if entry.is_visible]
    whole = filter(has_whole_table, apps.get_models())
    models = {table_name_of(model): model for model in whole}
    texts = {
        table: _texts_of(site, request, models[table], [e for e in seen if e.table_name == table])
        for table in {entry.table_name for entry in seen} & models.keys()
    }
    return [
        _describe(site, request, entry, models.get(entry.table_name), texts.get(entry.table_name))
        for entry in seen
    ]


def _texts_of(
    site: AdminSite, request: HttpRequest, model: Any, entries: list[Any]
) -> dict[str, str]:
    """The texts of those rows of `model` that are there and that the visitor finds in the admin,
    by the keys that the trail has of them."""
    keys: dict[Any, str] = {}
    for entry in entries:
        with suppress(ValueError, TypeError, ArithmeticError, ValidationError):
            keys[model._meta.pk.to_python(entry.row_key)] = entry.row_key
    if not keys or not site.is_registered(model):
        return {}
    rows = site.get_model_admin(model).get_queryset(request).filter(pk__in=keys)
    return {keys[row.pk]: str(row) for row in rows if row.pk in keys}


def _describe(
    site: AdminSite, request: HttpRequest, entry: Any, model: Any, texts: dict[str, str] | None
) -> dict[str, Any]:
    verb, icon = _VERBS.get(entry.kind, (entry.kind, ""))
    if model is None:
        subject, url = f"{entry.table_name} {entry.row_key}", ""
    else:
        name = str(model._meta.verbose_name)
        text = (texts or {}).get(entry.row_key, entry.row_key)
        # A class without a text of its own says "loan 2" of its rows.
        subject = text if text.startswith(f"{name} ") else f"{name} {text}"
        url = _history_url(site, request, model, entry.row_key)
    return {
        "verb": verb,
        "icon": icon,
        "subject": subject,
        "url": url,
        "at": entry.at,
        "origin": entry.origin,
    }


def _history_url(site: AdminSite, request: HttpRequest, model: Any, key: str) -> str:
    """Where the row's history is; empty if the visitor may not see it."""
    if not site.is_registered(model):
        return ""
    if not site.get_model_admin(model).has_view_or_change_permission(request):
        return ""
    options = model._meta
    return reverse(f"admin:{options.app_label}_{options.model_name}_history", args=[quote(key)])


def list_places(request: HttpRequest) -> list[tuple[str, str]]:
    """Pages of the site that the visitor may open, outside of the admin: (title, address)."""
    root = getattr(request, "scope", {}).get("app")
    context = current_context()
    if not isinstance(root, Root) or context is None:
        return []
    outer = request.META["SCRIPT_NAME"]
    mounts = [mounted for mounted in (*root.pages, *root.mounts) if mounted.name != "admin"]
    return [
        (link.title, outer + address)
        for link, address in list_links(mounts, context.identity)
        if link.is_page
    ]
