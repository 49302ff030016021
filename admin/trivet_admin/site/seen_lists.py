"""Lists of somebody who does not see every row or attribute: filters, order and search.

A list is not asked for what it does not show. A parameter that leads over a relation asks of rows
that are seen alone, in the same join, so that no number of results depends on the others.
"""

import inspect
from collections.abc import Iterator
from functools import cache
from typing import Any

from django.contrib.admin import AllValuesFieldListFilter, RelatedFieldListFilter
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.utils import (
    build_q_object_from_lookup_parameters,
    prepare_lookup_value,
)
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import FieldError, ValidationError
from django.db.models import Case, Count, F, Q, When
from django.db.models.constants import LOOKUP_SEP
from django.http import HttpRequest

from trivet_admin.site.seen_rows import (
    columns_on,
    conditions,
    field_attname,
    fixed_names,
    hidden_names,
    hide_on,
    hide_related,
    is_restricted,
    narrows,
    passes_hidden,
    restricted_on,
)
from trivet_admin.site.sizes import rows_of

_PREFIXES = "^=@"
"""Django's marks in ``search_fields``."""


@cache
def seen_changelist(plain: type[Any]) -> type[Any]:
    """A class of lists of Django's, that shows and asks for what the visitor sees."""
    return type(plain.__name__, (_SeenList, plain), {})


class _SeenList:
    """Mixed into a class of lists, before it."""

    root_queryset: Any
    model: Any
    result_list: Any
    list_display: Any
    _excluded: frozenset[str] = frozenset()

    def __init__(self, request: HttpRequest, *arguments: Any, **options: Any) -> None:
        given = inspect.signature(ChangeList.__init__).bind(self, request, *arguments, **options)
        model = given.arguments["model"]
        untouched = hidden_names(request, model) | fixed_names(request, model)
        editable = given.arguments["list_editable"] or ()
        given.arguments["list_editable"] = [name for name in editable if name not in untouched]
        days = given.arguments["date_hierarchy"]
        if days and (passes_hidden(request, model, days) or restricted_on(request, model, days)):
            given.arguments["date_hierarchy"] = None
        super().__init__(*given.args[1:], **given.kwargs)

    def get_queryset(self, request: HttpRequest, exclude_parameters: Any = None) -> Any:
        """Django's. What a parameter asks for is asked of the rows of this call alone: the facets
        of a filter are counted in another one, without its own parameters."""
        whole, self._excluded = self.root_queryset, frozenset(exclude_parameters or ())
        try:
            return super().get_queryset(request, exclude_parameters)  # type: ignore[misc]  # as below
        finally:
            self.root_queryset = whole

    def get_filters(self, request: HttpRequest) -> Any:
        """Django's, each with what the visitor sees to choose from."""
        own: Any = self
        found = super().get_filters(request)  # type: ignore[misc]  # a class of lists stands beside us
        if narrows():
            self._ask_for_what_is_seen(request, own.get_filters_params(), found)
            for spec in found[0]:
                _restrict_choices(request, spec, self.model)
        return found

    def _ask_for_what_is_seen(
        self, request: HttpRequest, parameters: dict[str, Any], filters: Any
    ) -> None:
        for name, values in parameters.items():
            relations = restricted_on(request, self.model, name)
            if not relations or name in self._excluded:
                continue
            wanted = [
                each for path, there in relations for each in conditions(request, there, path)
            ]
            try:
                asked = build_q_object_from_lookup_parameters(
                    {name: prepare_lookup_value(name, values)}
                )
                if _asks_for_none(name, values):
                    _leave_out(name, filters)
                    wanted = [_has_none(self.model, asked, wanted)]
                    asked = Q()
                self.root_queryset = self.root_queryset.filter(asked, *wanted)
            except (ValueError, ValidationError, FieldError) as error:
                raise IncorrectLookupParameters(error) from error

    def get_ordering(self, request: HttpRequest, queryset: Any) -> list[Any]:
        """Django's, without what would tell of something that is not seen."""
        found: list[Any] = super().get_ordering(request, queryset)  # type: ignore[misc]  # as above
        return list(only_seen_order(request, self.model, found))

    def get_results(self, request: HttpRequest) -> None:
        """Django's; what the rows refer to and the visitor does not see is shown by its key."""
        super().get_results(request)  # type: ignore[misc]  # as above
        hide_related(request, self.result_list)
        for name in self.list_display:
            if isinstance(name, str):
                hide_on(request, self.result_list, name)


def _asks_for_none(name: str, values: Any) -> bool:
    """Whether a parameter asks for the rows that refer to nothing."""
    value = values[-1] if isinstance(values, list) and values else values
    return name.endswith(f"{LOOKUP_SEP}isnull") and str(value).lower() not in ("", "0", "false")


def _leave_out(name: str, filters: Any) -> None:
    """Keep Django from asking for a parameter itself, which would look at all rows."""
    specs, _, remaining, *_ = filters
    remaining.pop(name, None)
    for spec in specs:
        getattr(spec, "used_parameters", {}).pop(name, None)


def _has_none(model: Any, asked: Any, wanted: list[Any]) -> Any:
    """The condition for rows that refer to nothing which is seen, or to a seen row for which
    `asked` holds: what Django means by ``isnull`` if the others were not there."""
    rows = rows_of(model)
    # By keys, and no EXISTS: Django counts facets around a sub-query, and leaves such a one's
    # reference to the row behind.
    found = Q(pk__in=rows.filter(asked, *wanted).values("pk"))
    return found | ~Q(pk__in=rows.filter(*wanted).values("pk"))


def only_seen_order(request: HttpRequest, model: Any, order: Any) -> Iterator[Any]:
    """The terms of an order that tell nothing of what is not seen."""
    for term in order:
        path = _path_of(term)
        if path is None or not narrows():
            yield term
        elif passes_hidden(request, model, path):
            continue
        elif _is_restricted_relation(request, model, path):
            field = columns_on(model, path)[-1]
            if LOOKUP_SEP not in path and isinstance(term, str) and field_attname(field):
                yield term.replace(path, str(field_attname(field)))
        elif not restricted_on(request, model, path):
            yield term


def _path_of(term: Any) -> str | None:
    """The path that a term of an order is about, if it is about one."""
    if isinstance(term, str):
        return term.lstrip("-")
    inner: Any = getattr(term, "expression", term)
    return str(getattr(inner, "name", "")) if isinstance(inner, F) else None


def _is_restricted_relation(request: HttpRequest, model: Any, path: str) -> bool:
    """Whether a path ends with a relation, whose own order would be that of its rows."""
    fields = columns_on(model, path)
    if len(fields) < len(path.split(LOOKUP_SEP)):  # an annotation, or something that is no field
        return False
    field = fields[-1]
    target = getattr(field, "related_model", None)
    is_value = path.rpartition(LOOKUP_SEP)[2] == field_attname(field)
    return target is not None and not is_value and is_restricted(request, target)


def _restrict_choices(request: HttpRequest, spec: Any, model: Any) -> None:
    there: Any = spec.field.related_model if isinstance(spec, RelatedFieldListFilter) else None
    if there is not None and is_restricted(request, there):
        name = spec.field.target_field.attname if hasattr(spec.field, "target_field") else "pk"
        rows = rows_of(there).filter(*conditions(request, there))
        seen = {str(value) for value in rows.values_list(name, flat=True)}
        spec.lookup_choices = [each for each in spec.lookup_choices if str(each[0]) in seen]
        _restrict_facets(request, spec, model)
    elif isinstance(spec, AllValuesFieldListFilter):
        relations = restricted_on(request, model, spec.field_path)
        if relations:
            (*_, (_, owner)) = relations
            spec.lookup_choices = spec.lookup_choices.filter(*conditions(request, owner))


def _restrict_facets(request: HttpRequest, spec: Any, model: Any) -> None:
    """Have a filter count as rows without a related one those that have none which is seen."""
    plain = spec.get_facet_counts
    wanted = conditions(request, spec.field.related_model, spec.field_path)
    asked = Q(**{spec.lookup_kwarg_isnull: True})

    def count(key: str, rows: Any) -> dict[str, Any]:
        found: dict[str, Any] = plain(key, rows)
        if _NONE_COUNTED in found:
            # Distinct, because a row stands there once for each of its related ones.
            none = _has_none(model, asked, wanted)
            found[_NONE_COUNTED] = Count(key, filter=none, distinct=True)
        return found

    spec.get_facet_counts = count


_NONE_COUNTED = "__c"
"""Django's name of the number of rows without a related one, beside ``7__c`` of those with 7."""


def with_masked_search(request: HttpRequest, rows: Any, fields: Any) -> tuple[Any, dict[str, str]]:
    """`rows`, with an expression for each of ``search_fields`` that leads to rows which the visitor
    may not see: the value of a row that is seen, and nothing of another.

    Returns:
        The rows, and the names of the expressions by those of `fields` that they stand for.
    """
    masks: dict[str, str] = {}
    for number, given in enumerate(fields):
        name = str(given)
        path = name.lstrip(_PREFIXES)
        relations = restricted_on(request, rows.model, path)
        if not relations:
            continue
        value, rest = _split(rows.model, path)
        wanted = [each for at, there in relations for each in conditions(request, there, at)]
        mask = f"trivet_searched_{number}"
        rows = rows.alias(**{mask: Case(When(Q(*wanted), then=F(value)))})
        masks[name] = name.replace(path, LOOKUP_SEP.join([mask, *rest]))
    return rows, masks


def _split(model: Any, path: str) -> tuple[str, list[str]]:
    """The column that a search looks into, and what it does with it."""
    parts = path.split(LOOKUP_SEP)
    end = len(columns_on(model, path))
    return LOOKUP_SEP.join(parts[:end]), parts[end:]
