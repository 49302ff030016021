"""What would be deleted, as the page that asks shows it: all of it counted, some of it listed.

Django loads every row that goes along, and lists each with a link. A row with 10,000 children is a
page of megabytes that nobody reads. Here the page lists up to a hundred rows of each model and
says how many more there are; rows that nothing else refers to are counted by the database, and only
those that are listed are loaded. A row that the visitor does not see is counted and not listed.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any

from django.contrib import admin
from django.contrib.admin.utils import NestedObjects, quote
from django.db import DEFAULT_DB_ALIAS, models
from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils.html import format_html
from django.utils.text import capfirst

from trivet_admin.site.only_read import OnlyRead
from trivet_admin.site.seen_rows import seen_among

SHOWN = 100
"""How many rows of one model are listed."""


def deleted_objects(site: Any, objs: Any, request: HttpRequest) -> Any:
    """As Django's function of nearly this name: a nested list to show, the number of rows by the
    plural of their model, the models whose rows the visitor may not delete, and the rows that
    stand in the way."""
    collector = _Collector(using=DEFAULT_DB_ALIAS, origin=objs)
    collector.may_count = lambda model: not _judges_rows(site, model)
    collector.collect(objs)
    missing = {
        model._meta.verbose_name
        for model in collector.models()
        if site.is_registered(model) and not _may_delete(site, request, model, collector)
    }
    shown: dict[Any, int] = defaultdict(int)

    counts = collector.counts()
    unseen = _unseen(request, [row for rows in collector.data.values() for row in rows])

    def describe(row: Any) -> Any:
        if type(row) not in counts or (type(row), row.pk) in unseen:
            return None
        shown[type(row)] += 1
        return _line(site, row) if shown[type(row)] <= SHOWN else None

    listed = _without_nothing(collector.nested(describe))
    for model, number in counts.items():
        beyond = number - min(shown[model], SHOWN)
        if beyond > 0:
            listed.append(f"… and {beyond:,} more {model._meta.verbose_name_plural}")
    in_the_way = list(collector.protected)
    unseen = _unseen(request, in_the_way)
    shown_ones = [row for row in in_the_way if (type(row), row.pk) not in unseen][:SHOWN]
    protected = [_line(site, row) for row in shown_ones]
    if len(in_the_way) > len(shown_ones):
        protected.append("… and more")
    named: dict[str, int] = defaultdict(int)
    for model, number in counts.items():
        named[model._meta.verbose_name_plural] += number
    return listed, dict(named), missing, protected


def _unseen(request: HttpRequest, rows: Iterable[Any]) -> set[tuple[Any, Any]]:
    """Those of `rows` that the visitor does not see, by model and key: they are counted, and not
    listed."""
    keys: dict[Any, set[Any]] = defaultdict(set)
    for row in rows:
        keys[type(row)].add(row.pk)
    return {
        (model, key)
        for model, every in keys.items()
        for key in every - seen_among(request, model, every)
    }


def _judges_rows(site: Any, model: type[Any]) -> bool:
    """Whether the permission to delete may depend on the row."""
    if not site.is_registered(model):
        return False
    own = type(site.get_model_admin(model)).has_delete_permission
    plain = (admin.ModelAdmin.has_delete_permission, OnlyRead.has_delete_permission)
    return own not in plain


def _may_delete(site: Any, request: HttpRequest, model: type[Any], collector: Any) -> bool:
    model_admin = site.get_model_admin(model)
    if not _judges_rows(site, model):
        return bool(model_admin.has_delete_permission(request))
    rows = collector.model_objs[model]
    return all(model_admin.has_delete_permission(request, row) for row in rows)


def _line(site: Any, row: Any) -> Any:
    """A row, with the way to its page."""
    options = row._meta
    name = capfirst(str(options.verbose_name))
    if site.is_registered(type(row)):
        page = f"{site.name}:{options.app_label}_{options.model_name}_change"
        try:
            address = reverse(page, None, (quote(row.pk),))
        except NoReverseMatch:
            pass
        else:
            return format_html('{}: <a href="{}">{}</a>', name, address, row)
    return f"{name}: {row}"


def _without_nothing(nested: list[Any]) -> list[Any]:
    """`nested` without the rows that are not listed, and without their lists."""
    kept: list[Any] = []
    for each in nested:
        if not isinstance(each, list):
            kept.append(each)
        elif below := _without_nothing(each):
            kept.append(below)
    return [each for each in kept if each is not None]


class _Collector(NestedObjects):
    """Django's, which counts where it need not load."""

    may_count: Callable[[type[Any]], bool]

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._counted: dict[Any, int] = defaultdict(int)
        self._seen: dict[Any, list[tuple[str | None, Any]]] = defaultdict(list)

    def models(self) -> Iterable[Any]:
        """The models of which rows go."""
        return [*dict.fromkeys((*self.model_objs, *self._counted))]

    def counts(self) -> dict[Any, int]:
        """How many rows go, by model. The links of an association whose table has a class are rows
        of that class."""
        found = list(self.models())
        tables = {model._meta.db_table for model in found if not model._meta.auto_created}
        return {
            model: self._counted.get(model) or len(self.model_objs[model])
            for model in found
            if not (model._meta.auto_created and model._meta.db_table in tables)
        }

    def collect(self, objs: Any, source: Any = None, **options: Any) -> Any:  # type: ignore[override]  # what else Django gives is passed on
        """Django's step for some rows of one model: first those that were chosen, then, with a
        `source`, those that refer to others."""
        if source is None and isinstance(objs, models.QuerySet) and self._is_counted(objs.model):
            objs = self._count(objs, None)
        return super().collect(objs, source=source, **options)

    def related_objects(self, related_model: Any, related_fields: Any, objs: Any) -> Any:
        """Django's; of rows that stand in the way, and of rows that are counted, no more than are
        listed, and one."""
        rows = super().related_objects(related_model, related_fields, objs)
        if len(related_fields) > 1:  # of deletions without a page
            return rows
        fate = related_fields[0].remote_field.on_delete
        if fate is models.PROTECT:
            return rows[: SHOWN + 1]
        is_deleted = not getattr(fate, "lazy_sub_objs", False)
        if is_deleted and self._is_counted(related_model):
            return self._count(rows, related_fields[0].name)
        return rows

    def _is_counted(self, model: type[Any]) -> bool:
        """Whether nothing depends on the single rows."""
        options = model._meta
        return (
            not options.parents
            and not any(hasattr(each, "bulk_related_objects") for each in options.private_fields)
            and not any(
                each.auto_created and not each.concrete and (each.one_to_one or each.one_to_many)
                for each in options.get_fields(include_hidden=True)
            )
            and self.may_count(model)
        )

    def _count(self, rows: Any, way: str | None) -> Any:
        """Count `rows`, but for those that were reached by another way before. Returns those that
        may be listed."""
        fresh = rows
        for other, before in self._seen[rows.model]:
            if other != way:  # rows reached by one foreign key are never reached twice by it
                fresh = fresh.exclude(pk__in=before.order_by().values("pk"))
        self._seen[rows.model].append((way, rows))
        listed = fresh[: SHOWN + 1]
        number = len(listed)
        if number:
            self._counted[rows.model] += fresh.count() if number > SHOWN else number
        return listed
