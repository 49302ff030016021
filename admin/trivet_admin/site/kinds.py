"""The pages of classes that inherit from one another.

The list of a base has the rows of all its subclasses, each with its kind. A row's link goes to the
page of its own class, and so do the form and the deletion of it, because only there everything is
shown that belongs to it. Which class that is the discriminator says: a class of nobody's is shown
as what it says.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from django.contrib import admin
from django.contrib.admin.utils import quote, unquote
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponseRedirect
from django.urls import reverse
from sqlalchemy import inspect
from sqlalchemy.orm import Mapper

from trivet.errors import ConfigurationError
from trivet.models.labels import in_words
from trivet_admin.mirror.hierarchy import has_kinds, kinds_of, values_of_kind, why_not_added
from trivet_admin.mirror.registry import mirror
from trivet_admin.mirror.shape import Shape, find_shape
from trivet_admin.mirror.whole_rows import as_rows_of, delete_rows, models_above
from trivet_admin.site.addresses import text_of_key
from trivet_admin.site.deleting import with_cascades
from trivet_admin.site.deletions import deleted_objects

_KIND = "trivet_kind"
"""The attribute of a row in a list that holds what the discriminator says."""
KIND_PARAMETER = "row_kind"
"""The parameter of the filter by kind, in the address of a list."""


class KindChangeList(ChangeList):
    """A list of several kinds of rows, each linked to the page of its own class."""

    def __init__(self, request: HttpRequest, *arguments: Any, **options: Any) -> None:
        self._request = request
        super().__init__(request, *arguments, **options)

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        note_kinds(list(self.result_list))

    def url_for_result(self, result: Any) -> str:
        model_admin: Any = self.model_admin
        there = model_admin.page_of(self._request, result)
        if there is None:
            return super().url_for_result(result)
        return _address(there, "change", result.pk)


class RowKindFilter(admin.SimpleListFilter):
    """By the class of a row."""

    title = "kind"
    parameter_name = KIND_PARAMETER

    def lookups(self, request: HttpRequest, model_admin: Any) -> Iterable[tuple[str, str]]:
        del request
        named = {each.class_.__name__: _words_of(each) for each in model_admin.kinds.values()}
        return sorted(named.items(), key=lambda pair: pair[1])

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        del request
        model: Any = queryset.model
        shape, kinds = find_shape(model), _kinds_of_model(model)
        chosen = [(v, each) for v, each in kinds.items() if each.class_.__name__ == self.value()]
        if not chosen or not isinstance(shape, Shape):
            return queryset
        if shape.discriminator is not None:
            name = next(n for n, key in shape.keys.items() if key == shape.discriminator)
            return queryset.filter(**{f"{name}__in": [value for value, _ in chosen]})
        return _of_kind(queryset, chosen[0][1], kinds.values())


class KindsOfRows:
    """Mixed into `ModelAdmin`."""

    model: Any
    admin_site: Any

    @property
    def kinds(self) -> dict[Any, Mapper[Any]]:
        """The classes that the rows of this page can have, by what the discriminator says."""
        return _kinds_of_model(self.model)

    def page_of(self, request: HttpRequest, row: Any) -> Any:
        """The `ModelAdmin` of the very class of `row`, if it is another one that the visitor may
        look at; None otherwise."""
        mapper = self._kind_of(row)
        if mapper is None or mapper.class_ is find_mapped(self.model):
            return None
        model = find_mirror(mapper)
        if model is None or not self.admin_site.is_registered(model):
            return None
        there = self.admin_site.get_model_admin(model)
        return there if there.has_view_or_change_permission(request) else None

    @admin.display(description="kind")
    def kind_of_row(self, row: Any) -> str:
        """What a row is, for a list of several kinds."""
        mapper = self._kind_of(row)
        return f"unknown: {getattr(row, _KIND)}" if mapper is None else _words_of(mapper)

    def get_list_display(self, request: HttpRequest) -> Any:
        """Django's, and the kind of each row."""
        named = super().get_list_display(request)  # type: ignore[misc]  # a ModelAdmin stands beside us
        is_shown = not self.kinds or {*self._discriminator, "kind_of_row"} & {*named}
        return named if is_shown else [*named, "kind_of_row"]

    def get_list_filter(self, request: HttpRequest) -> Any:
        """Django's, and a filter by kind."""
        named = super().get_list_filter(request)  # type: ignore[misc]  # as above
        is_there = not self.kinds or {*self._discriminator, RowKindFilter} & {*named}
        return named if is_there else [*named, RowKindFilter]

    def get_changelist(self, request: HttpRequest, **options: Any) -> Any:
        if self.kinds:
            return KindChangeList
        return super().get_changelist(request, **options)  # type: ignore[misc]  # as above

    def change_view(self, request: HttpRequest, object_id: str, *rest: Any, **more: Any) -> Any:
        elsewhere = self._elsewhere(request, object_id, "change")
        return elsewhere or super().change_view(request, object_id, *rest, **more)  # type: ignore[misc]  # as above

    def delete_view(self, request: HttpRequest, object_id: str, *rest: Any, **more: Any) -> Any:
        elsewhere = self._elsewhere(request, object_id, "delete")
        return elsewhere or super().delete_view(request, object_id, *rest, **more)  # type: ignore[misc]  # as above

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Django's; nobody adds a row of an abstract class."""
        return self._why_not_added() is None and super().has_add_permission(request)  # type: ignore[misc]  # as above

    def changeform_view(self, request: HttpRequest, object_id: Any = None, *rest: Any) -> Any:
        """Django's. Says why there is nothing to be added."""
        if object_id is None and (reason := self._why_not_added()) is not None:
            name = self.model._meta.verbose_name
            raise PermissionDenied(f"Nobody can add a {name}: {reason}.")
        return super().changeform_view(request, object_id, *rest)  # type: ignore[misc]  # as above

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """Django's, bounded, of each row as one of its own class; and what SQLAlchemy deletes
        besides."""
        if self._is_alone():
            return with_cascades(self, request, objs, self._told(objs, request))
        shown: list[Any] = []
        counts: dict[Any, int] = {}
        missing: set[Any] = set()
        protected: list[Any] = []
        for rows in own_rows(list(objs)):
            above = [as_rows_of(each, rows) for each in models_above(type(rows[0]))]
            related = [self._related(each, request) for each in above]
            own = with_cascades(self, request, rows, self._told(rows, request))
            for told in (own, *related):
                shown += told[0]
                counts |= {name: counts.get(name, 0) + number for name, number in told[1].items()}
                missing |= {*told[2]}
                protected += told[3]
        return shown, counts, missing, protected

    def _told(self, rows: Any, request: HttpRequest) -> Any:
        return deleted_objects(self.admin_site, rows, request)

    def _related(self, rows: Any, request: HttpRequest) -> Any:
        """What refers to `rows`, without themselves."""
        shown, counts, missing, protected = self._told(list(rows), request)
        plural = rows.model._meta.verbose_name_plural
        others = counts.get(plural, 0) - len(rows)
        if others <= 0:
            missing = missing - {rows.model._meta.verbose_name}
        counts = {**counts, plural: others}
        # Each row comes before a list of what refers to it.
        shown = [each for each in shown if isinstance(each, list)]
        return (
            shown,
            {name: number for name, number in counts.items() if number},
            missing,
            protected,
        )

    def _is_alone(self) -> bool:
        """Whether rows of this page are those of one class."""
        return not self.kinds and next(models_above(self.model), None) is None

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        """Django's hook for the row of a page."""
        if not self.kinds:
            super().delete_model(request, obj)  # type: ignore[misc]  # as above
            return
        for rows in own_rows([obj]):
            delete_rows(rows)

    def delete_queryset(self, request: HttpRequest, queryset: Any) -> None:
        """Django's hook for the chosen rows of a list."""
        if self._is_alone():
            super().delete_queryset(request, queryset)  # type: ignore[misc]  # as above
            return
        for rows in own_rows(list(queryset)):
            delete_rows(rows)

    def _kind_of(self, row: Any) -> Mapper[Any] | None:
        if not self.kinds:
            return None
        note_kinds([row])
        value = getattr(row, _KIND)
        # As SQLAlchemy has it, a discriminator that says nothing means the base.
        return self.kinds.get(value) or (
            inspect(find_mapped(self.model)) if value is None else None
        )

    @property
    def _discriminator(self) -> tuple[str, ...]:
        shape = find_shape(self.model)
        names = (n for n, key in shape.keys.items() if key == shape.discriminator)  # type: ignore[union-attr]  # kinds: it is mapped
        return tuple(names)

    def _why_not_added(self) -> str | None:
        mapped = find_mapped(self.model)
        return None if mapped is None else why_not_added(inspect(mapped))

    def _elsewhere(self, request: HttpRequest, object_id: str, page: str) -> Any:
        """The way to a row's own page, for who asks to see it here."""
        if request.method != "GET" or not self.kinds:
            return None
        row = self.get_object(request, unquote(object_id))  # type: ignore[attr-defined]  # as above
        there = None if row is None else self.page_of(request, row)
        if there is None:
            return None
        asked = request.META.get("QUERY_STRING", "")
        return HttpResponseRedirect(_address(there, page, row.pk) + (f"?{asked}" if asked else ""))


def find_mapped(model: Any) -> type[Any] | None:
    """The mapped class behind a mirror; None for a model of Django's own."""
    shape = find_shape(model)
    return shape.mapped if isinstance(shape, Shape) else None


def find_mirror(mapper: Mapper[Any]) -> Any:
    """The mirror of a class; None if it can have none."""
    try:
        return mirror(mapper.class_)
    except ConfigurationError:
        return None


def _of_kind(
    rows: QuerySet[Any], wanted: Mapper[Any], kinds: Iterable[Mapper[Any]]
) -> QuerySet[Any]:
    """Those of `rows` that are of the very class `wanted`: the database tells by an expression."""
    if wanted.class_ is not find_mapped(rows.model):
        rows = rows.filter(pk__in=_keys_of(wanted))
    for below in kinds:
        if below is not wanted and below.isa(wanted):
            rows = rows.exclude(pk__in=_keys_of(below))
    return rows


def _keys_of(mapper: Mapper[Any]) -> Any:
    model = find_mirror(mapper)
    return () if model is None else model.objects.values("pk")


def note_kinds(rows: Sequence[Any]) -> None:
    """Give each of `rows`, all of one mirror, what the discriminator says of it."""
    unknown = [row for row in rows if _KIND not in row.__dict__]
    if unknown and _kinds_of_model(type(unknown[0])):
        for row, value in zip(unknown, values_of_kind(unknown), strict=True):
            row.__dict__[_KIND] = value


def own_rows(rows: Sequence[Any]) -> Iterator[list[Any]]:
    """`rows`, of one mirror, as rows of their own classes: those of each class together."""
    if not rows:
        return
    note_kinds(rows)
    kinds = _kinds_of_model(type(rows[0]))
    by_model: dict[Any, list[Any]] = {}
    for row in rows:
        mapper = kinds.get(getattr(row, _KIND, None))
        model = type(row) if mapper is None else find_mirror(mapper) or type(row)
        by_model.setdefault(model, []).append(row)
    for model, of_one in by_model.items():
        if model is type(rows[0]):
            yield of_one
        elif found := list(as_rows_of(model, of_one)):
            yield found


def _kinds_of_model(model: Any) -> dict[Any, Mapper[Any]]:
    mapped = find_mapped(model)
    mapper: Mapper[Any] | None = None if mapped is None else inspect(mapped)
    return {} if mapper is None or not has_kinds(mapper) else dict(kinds_of(mapper))


def _words_of(mapper: Mapper[Any]) -> str:
    model = find_mirror(mapper)
    return in_words(mapper.class_.__name__) if model is None else str(model._meta.verbose_name)


def _address(there: Any, page: str, key: Any) -> str:
    options = there.model._meta
    name = f"{there.admin_site.name}:{options.app_label}_{options.model_name}_{page}"
    return reverse(name, args=(quote(text_of_key(key)),))
