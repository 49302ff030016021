"""The filters beside a list, where there is more to choose from than a page can show.

Django lists every related row, and every value that a column has. Beyond `max_choices` of them the
visitor searches for the row instead, or types a value. Which filter a name of ``list_filter``
stands for is decided for each list, by Django's own register of filters; a filter class of an
author's own is left alone.
"""

from collections.abc import Iterator
from functools import cache
from typing import Any

from django import forms
from django.contrib.admin import (
    AllValuesFieldListFilter,
    FieldListFilter,
    RelatedFieldListFilter,
    RelatedOnlyFieldListFilter,
)
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.utils import get_fields_from_path, reverse_field_path
from django.contrib.admin.widgets import AutocompleteSelect
from django.db import models
from django.http import HttpRequest

from trivet_admin.mirror.keys import is_named_by_text
from trivet_admin.mirror.typed import WallTimeField
from trivet_admin.site.choosing import can_be_searched, can_be_seen, has_many
from trivet_admin.site.seen_rows import only_seen
from trivet_admin.site.sizes import rows_of, sizes


@cache
def bounded_changelist(plain: type[Any]) -> type[Any]:
    """A class of lists of Django's, with filters that are bounded."""
    return type(plain.__name__, (_BoundedFilters, plain), {})


class _BoundedFilters:
    """Mixed into a class of lists, before it."""

    def get_filters(self, request: HttpRequest) -> Any:
        """Django's; each filter that would list too much is replaced first."""
        changes: Any = self
        bound = changes.model_admin.max_choices
        if bound is not None:
            changes.list_filter = [
                _bounded(item, changes.model, bound) for item in changes.list_filter
            ]
        found = super().get_filters(request)  # type: ignore[misc]  # a class of lists stands beside us
        if changes.date_hierarchy:
            _keep_the_clock(changes, found[2])
        return found

    def get_results(self, request: HttpRequest) -> None:
        """Django's. A number that no column can hold is found only here, as the driver of SQLite
        refuses it: it is answered as every other value that cannot be."""
        try:
            super().get_results(request)  # type: ignore[misc]  # as above
        except OverflowError as error:
            raise IncorrectLookupParameters(error) from error


def with_media_of_filters(response: Any) -> Any:
    """The page of a list, with the scripts of the filters that have some."""
    context = getattr(response, "context_data", None) or {}
    for spec in getattr(context.get("cl"), "filter_specs", ()):
        if isinstance(spec, _Typed):
            context["media"] += spec.media
    return response


def _keep_the_clock(changes: Any, parameters: dict[str, Any]) -> None:
    """The days of the hierarchy are those that the clock of a datetime without a zone shows;
    Django has made instants of them."""
    path = changes.date_hierarchy
    if isinstance(get_fields_from_path(changes.model, path)[-1], WallTimeField):
        for name in (f"{path}__gte", f"{path}__lt"):
            for number, each in enumerate(parameters.get(name, ())):
                if hasattr(each, "tzinfo"):
                    parameters[name][number] = each.replace(tzinfo=None)


def _bounded(item: Any, model: Any, bound: int) -> Any:
    """What stands in ``list_filter`` for `item`."""
    if callable(item):
        return item
    path, kind = item if isinstance(item, tuple | list) else (item, None)
    if not isinstance(path, str):
        return item
    field = get_fields_from_path(model, path)[-1]
    if kind is None:
        known = FieldListFilter._field_list_filters  # type: ignore[attr-defined]  # noqa: SLF001  # pinned by a test
        kind = next((kind for test, kind in known if test(field)), None)
    if kind is RelatedFieldListFilter and _lists_many(field, bound):
        return path, SearchedFilter
    if kind is RelatedFieldListFilter and is_named_by_text(field.related_model):
        return path, KeyedFilter
    if kind is RelatedOnlyFieldListFilter and _has_many_values(model, path, bound):
        return path, SearchedFilter
    if kind is AllValuesFieldListFilter and _has_many_values(model, path, bound):
        return path, ValueFilter
    return item


class KeyedFilter(RelatedFieldListFilter):
    """Django's, with the texts of keys of several columns: an address takes a tuple for several
    values."""

    def field_choices(self, *which: Any) -> list[Any]:
        return [(str(key), text) for key, text in super().field_choices(*which)]


def _lists_many(field: Any, bound: int) -> bool:
    if isinstance(field, models.ForeignKey | models.ManyToManyField):
        return has_many(field, bound)
    related = field.related_model
    return sizes.is_above(related, rows_of(related), bound)


def _has_many_values(model: Any, path: str, bound: int) -> bool:
    """Whether there are more than `bound` values at the end of `path`. A table that has not as many
    rows has not; otherwise the database looks through them, once in a while."""
    field = get_fields_from_path(model, path)[-1]
    is_own_column = not field.is_relation
    parent = reverse_field_path(model, path)[0] if is_own_column else model
    name = field.name if is_own_column else path
    rows = rows_of(parent)
    if not sizes.is_above(parent, rows, bound):
        return False
    if is_own_column and field.unique:
        return True
    return sizes.is_above((parent, name), rows.order_by().values(name).distinct(), bound)


class _Typed:
    """What the filters here share: a form in the place of the list."""

    template = "trivet_admin/typed_filter.html"
    request: HttpRequest
    field: Any
    lookup_kwarg: str
    lookup_kwarg_isnull: str
    used_parameters: dict[str, Any]
    _others: list[tuple[str, str]]

    def has_output(self) -> bool:
        return True

    def get_facet_counts(self, _pk_attname: str, _filtered_qs: Any) -> dict[str, Any]:
        """None: there is no list of which to count each."""
        return {}

    def others(self) -> list[tuple[str, str]]:
        """The rest of the list's address, which the form keeps."""
        return self._others

    def asked(self, name: str) -> list[str]:
        """What the address asks of the parameter `name`."""
        return [each for each in self.request.GET.getlist(name) if each]

    def choices(self, changelist: Any) -> Any:
        """All; what is chosen now; and the rows without a value, if there may be such."""
        own: list[str] = self.expected_parameters()  # type: ignore[attr-defined]  # a filter stands beside us
        self._others = [
            (name, value)
            for name, values in changelist.filter_params.items()
            if name not in own
            for value in (values if isinstance(values, list) else [values])
        ]
        chosen = list(self.chosen())
        is_null = bool(self.asked(self.lookup_kwarg_isnull))
        yield {
            "selected": not chosen and not is_null,
            "query_string": changelist.get_query_string(remove=own),
            "display": "All",
        }
        for name, value, text in chosen:
            query = changelist.get_query_string({name: value}, own)
            yield {"selected": True, "query_string": query, "display": text}
        if self.takes_null():
            query = changelist.get_query_string({self.lookup_kwarg_isnull: "True"}, own)
            yield {"selected": is_null, "query_string": query, "display": self.empty_value_display}  # type: ignore[attr-defined]  # as above

    @property
    def media(self) -> Any:
        """The scripts that the page needs."""
        return forms.Media(js=["trivet_admin/filters.js"])

    def chosen(self) -> Iterator[tuple[str, str, str]]:
        """What is chosen now: parameter, value and text of each."""
        raise NotImplementedError

    def takes_null(self) -> bool:
        """Whether there may be rows without a value."""
        return bool(getattr(self.field, "null", False))


def _without_nothing(names: tuple[str, ...], params: dict[str, Any]) -> None:
    """An empty input asks for nothing."""
    for name in names:
        values = params.get(name)
        if isinstance(values, list) and not any(values):
            del params[name]


class SearchedFilter(_Typed, RelatedFieldListFilter):
    """A related row that is searched for, or whose key is typed by who may not see the rows."""

    def __init__(  # noqa: PLR0917  # Django's signature
        self,
        field: Any,
        request: HttpRequest,
        params: dict[str, Any],
        model: Any,
        model_admin: Any,
        field_path: str,
    ) -> None:
        _without_nothing((f"{field_path}__{field.target_field.name}__exact",), params)
        self.request = request
        self._site = model_admin.admin_site
        super().__init__(field, request, params, model, model_admin, field_path)

    def field_choices(self, _field: Any, _request: HttpRequest, _model_admin: Any) -> list[Any]:
        """None of Django's list."""
        return []

    def chosen(self) -> Iterator[tuple[str, str, str]]:
        asked = self.asked(self.lookup_kwarg)
        if asked:
            target = self.field.target_field
            every = only_seen(self.request, rows_of(self.field.related_model))
            for row in every.filter(**{f"{target.name}__in": asked})[: len(asked)]:
                yield self.lookup_kwarg, str(getattr(row, target.attname)), str(row)

    def takes_null(self) -> bool:
        return bool(self.include_empty_choice)

    @property
    def control(self) -> str:
        """The input of the form."""
        attributes = {"id": f"filter-{self.lookup_kwarg}", "aria-label": f"{self.title}"}
        asked = self.asked(self.lookup_kwarg)
        if not self._may_search():
            plural = self.field.related_model._meta.verbose_name
            attributes["placeholder"] = f"Key of a {plural}"
            return forms.TextInput().render(self.lookup_kwarg, " ".join(asked[:1]), attributes)
        shown = forms.ModelChoiceField(
            only_seen(self.request, rows_of(self.field.related_model)),
            required=False,
            to_field_name=self.field.target_field.name,
            widget=AutocompleteSelect(self.field, self._site),
        )
        return str(shown.widget.render(self.lookup_kwarg, asked[:1], attributes))

    @property
    def media(self) -> Any:
        """The scripts that the page needs."""
        return AutocompleteSelect(self.field, self._site).media + super().media

    def _may_search(self) -> bool:
        is_forward = isinstance(self.field, models.ForeignKey | models.ManyToManyField)
        return (
            is_forward
            and can_be_seen(self._site, self.field.related_model, self.request)
            and can_be_searched(self._site, self.field, self.request)
        )


class ValueFilter(_Typed, FieldListFilter):
    """A value that is typed: of a text some part of it, of everything else the whole."""

    def __init__(  # noqa: PLR0917  # Django's signature
        self,
        field: Any,
        request: HttpRequest,
        params: dict[str, Any],
        model: Any,
        model_admin: Any,
        field_path: str,
    ) -> None:
        is_text = isinstance(field, models.CharField | models.TextField)
        self.exactly = field_path
        self.lookup_kwarg = f"{field_path}__icontains" if is_text else field_path
        self.lookup_kwarg_isnull = f"{field_path}__isnull"
        self.empty_value_display = model_admin.get_empty_value_display()
        self.request = request
        _without_nothing((self.exactly, self.lookup_kwarg), params)
        super().__init__(field, request, params, model, model_admin, field_path)

    def expected_parameters(self) -> list[str | None]:
        """That of Django's list too, which links of people may have."""
        return [*dict.fromkeys((self.lookup_kwarg, self.exactly, self.lookup_kwarg_isnull))]

    def chosen(self) -> Iterator[tuple[str, str, str]]:
        for name in dict.fromkeys((self.lookup_kwarg, self.exactly)):
            for value in self.asked(name):
                yield name, value, value if name == self.exactly else f"contains {value}"

    @property
    def control(self) -> str:
        """The input of the form."""
        is_text = self.lookup_kwarg != self.exactly
        attributes = {
            "id": f"filter-{self.lookup_kwarg}",
            "aria-label": f"{self.title}",
            "placeholder": "Part of it" if is_text else "The whole value",
        }
        asked = self.asked(self.lookup_kwarg)
        return forms.TextInput().render(self.lookup_kwarg, " ".join(asked[:1]), attributes)
