"""The list of audit entries, and the page of one. Nobody edits them, superusers included.

Keys and values are shown of what the reader may view (`trivet_admin.audit.visibility`).
"""

from collections.abc import Iterable
from typing import Any

from django.contrib import admin
from django.contrib.admin.utils import quote
from django.contrib.admin.views.main import ChangeList
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.urls import NoReverseMatch, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from trivet.audit import AuditEntry
from trivet.audit.summary import read_changes, summarise
from trivet_admin.audit.visibility import mask, of_key, with_visibility
from trivet_admin.mirror.registry import mirror
from trivet_admin.mirror.shape import has_whole_table, model_of_table, table_name_of
from trivet_admin.site.modeladmin import ModelAdmin
from trivet_admin.site.registration import register

mirror(AuditEntry)._meta.verbose_name_plural = "audit entries"
mirror(AuditEntry)._meta.get_field("at").verbose_name = "when"  # type: ignore[union-attr]  # a column


class TableFilter(admin.SimpleListFilter):
    """By kind of object. The tables that exist are asked, not the entries, which are many."""

    title = "kind of object"
    parameter_name = "table_name"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Iterable[tuple[str, str]]:
        del request, model_admin
        models = filter(has_whole_table, admin.site._registry)  # noqa: SLF001  # Django has no public list of them
        shown = {table_name_of(model): _name(model) for model in models}
        del shown[AuditEntry.__tablename__]
        return sorted(shown.items(), key=lambda pair: pair[1])

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        del request
        return queryset.filter(table_name=self.value()) if self.value() else queryset


class KindFilter(admin.SimpleListFilter):
    title = "what happened"
    parameter_name = "kind"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Iterable[tuple[str, str]]:
        del request, model_admin
        return _VERBS.items()

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        del request
        return queryset.filter(kind=self.value()) if self.value() else queryset


class OriginFilter(admin.SimpleListFilter):
    title = "origin"
    parameter_name = "origin"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Iterable[tuple[str, str]]:
        del request, model_admin
        return [(origin, origin) for origin in ("api", "admin", "realtime", "cli", "background")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        del request
        return queryset.filter(origin=self.value()) if self.value() else queryset


class KeyFilter(admin.SimpleListFilter):
    """One object's entries, for links to them; only of what the reader may view."""

    title = "key of the object"
    parameter_name = "row_key"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Iterable[tuple[str, str]]:
        del request, model_admin
        key = self.value()
        return [] if key is None else [(key, key)]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        key = self.value()
        return queryset if key is None else of_key(request, queryset, key)


class MaskedChangeList(ChangeList):
    """Forgets what the reader may not see as soon as the entries are read."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        self.result_list = mask(request, self.result_list)


@register(AuditEntry)
class AuditEntryAdmin(ModelAdmin):
    """Read only. Search looks at who, the object's key, the request id and the values, the
    latter two of what the reader may view."""

    list_display = ("when", "what", "summary", "who", "origin", "by_request")
    list_display_links = ("when",)
    list_filter = (KindFilter, TableFilter, OriginFilter, "at", KeyFilter)
    search_fields = ("=actor", "=visible_key", "=request_id", "visible_changes")
    search_help_text = "A user, an object's key or a request id, each whole; or part of a value."
    ordering = ("-at", "-id")
    show_full_result_count = False
    list_per_page = 50
    fields = ("when", "who", "origin", "by_request", "credential", "what", "table", "hash")

    class Media:
        css = {"all": ("trivet_admin/audit.css",)}  # noqa: RUF012  # Django's own way of declaring it

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return with_visibility(request, super().get_queryset(request))

    def get_changelist(self, request: HttpRequest, **options: Any) -> Any:
        del request, options
        return MaskedChangeList

    def get_object(self, request: HttpRequest, *which: Any) -> Any:
        entry = super().get_object(request, *which)
        return None if entry is None else mask(request, [entry])[0]

    def has_add_permission(self, _request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, _request: HttpRequest, _obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, _request: HttpRequest, _obj: Any = None) -> bool:
        return False

    @admin.display(description="when", ordering="at")
    def when(self, entry: Any) -> str:
        return f"{entry.at:%Y-%m-%d %H:%M:%S} UTC"

    @admin.display(description="who", ordering="actor")
    def who(self, entry: Any) -> SafeString:
        return format_html('<span class="audit-who">{}</span>', who_made(entry))

    @admin.display(description="what")
    def what(self, entry: Any) -> SafeString:
        return format_html("{} {}", verb_of(entry), _link(entry))

    @admin.display(description="changes")
    def summary(self, entry: Any) -> str:
        if not entry.is_visible:
            return _hidden(entry)
        text = summarise(entry.changes)
        return text if len(text) <= _SUMMARY else f"{text[: _SUMMARY - 1]}…"

    @admin.display(description="request")
    def by_request(self, entry: Any) -> str | SafeString:
        if not entry.request_id:
            return "–"
        return format_html(
            '<a class="request-id" href="{}?q={}" title="{}">{}</a>',
            reverse("admin:trivet_auditentry_changelist"),
            entry.request_id,
            f"All that the request {entry.request_id} changed",
            entry.request_id,
        )

    @admin.display(description="changes")
    def table(self, entry: Any) -> str:
        if not entry.is_visible:
            return _hidden(entry)
        changes = list(read_changes(entry.changes))
        return render_to_string("trivet_admin/audit_fields.html", {"changes": changes})


_VERBS = {"insert": "added", "update": "changed", "delete": "deleted"}
_SUMMARY = 200
"""How much of an entry's changes a list shows, in characters."""


def who_made(entry: Any) -> str:
    """The user's name, and by what if not by a session."""
    if entry.actor_kind == "key":
        return f"{entry.actor} (key {entry.credential})"
    return str(entry.actor or entry.actor_kind)


def verb_of(entry: Any) -> str:
    """The event, as a person would say it."""
    return str(_VERBS.get(entry.kind, entry.kind))


def _link(entry: Any) -> str | SafeString:
    model = _model_of(entry)
    if model is None:
        return f"{entry.table_name} {entry.row_key}"
    text = f"{_name(model)} {entry.row_key}".rstrip()
    name = f"admin:{model._meta.app_label}_{model._meta.model_name}_history"
    try:
        address = reverse(name, args=[quote(entry.row_key)]) if entry.is_visible else None
    except NoReverseMatch:
        address = None
    return text if address is None else format_html('<a href="{}">{}</a>', address, text)


def _hidden(entry: Any) -> str:
    model = _model_of(entry)
    what = entry.table_name if model is None else str(model._meta.verbose_name_plural)
    return f"not shown: you may not view {what}"


def _model_of(entry: Any) -> type[Model] | None:
    return model_of_table(entry.table_name)


def _name(model: type[Model]) -> str:
    return str(model._meta.verbose_name)
