"""The rules of visibility in front of whatever an author of an admin class has written.

An author overrides methods of Django's, with or without ``super()``. So the rules stand in front:
an object of an admin class is of a class of ours, made of `OnlySeen` and the author's, and what the
author's methods answer is narrowed to what the visitor sees. Without rules nothing is asked.
"""

from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

from django.contrib.admin.utils import flatten_fieldsets
from django.http import HttpRequest

from trivet.errors import Forbidden
from trivet.models.labels import with_article
from trivet_admin.site.seen_files import SeenFiles
from trivet_admin.site.seen_forms import REFUSED_FORM, restrict_form
from trivet_admin.site.seen_lists import only_seen_order, seen_changelist, with_masked_search
from trivet_admin.site.seen_rows import (
    PLAIN,
    conditions,
    fixed_names,
    hidden_names,
    hide_related,
    narrows,
    only_seen,
    passes_hidden,
    seen_among,
)

_MASKS = "trivet_masks"
"""Where a request keeps the names that stand for some of ``search_fields``, while it searches."""


@cache
def in_front_of(plain: type[Any], front: type[Any]) -> type[Any]:
    """A class of its own name, in which `front` stands before `plain`."""
    if issubclass(plain, front):
        return plain
    names = {"__module__": plain.__module__, "__qualname__": plain.__qualname__, PLAIN: plain}
    return type(plain.__name__, (front, plain), {**names, "__doc__": plain.__doc__})


def behind(shown: type[Any]) -> type[Any]:
    """The class that its author has written, behind what `in_front_of` has put before it."""
    plain: type[Any] = vars(shown).get(PLAIN, shown)
    return plain


class OnlySeen:
    """In front of an admin class or an inline."""

    model: Any

    def get_queryset(self, request: HttpRequest) -> Any:
        """The author's rows, those that the visitor sees."""
        return only_seen(request, super().get_queryset(request))  # type: ignore[misc]  # an admin stands behind us

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """The author's, without attributes that are hidden."""
        found = super().get_fieldsets(request, obj)  # type: ignore[misc]  # as above
        hidden = hidden_names(request, self.model)
        if not hidden:
            return found
        kept = ((title, _without(options, hidden)) for title, options in found)
        return [(title, options) for title, options in kept if options["fields"]]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """The author's, with attributes that are fixed and without those that are hidden."""
        found = super().get_readonly_fields(request, obj)  # type: ignore[misc]  # as above
        if not narrows():
            return found
        hidden, fixed = hidden_names(request, self.model), fixed_names(request, self.model)
        added = [each for each in self._laid_out(fixed) if each not in {*found, *hidden}]
        return (*(each for each in found if each not in hidden), *added)

    def _laid_out(self, names: Iterable[str]) -> list[str]:
        """Those of `names` that the form shows."""
        own: Any = self
        laid_out = flatten_fieldsets(own.fieldsets or [(None, {"fields": own.fields or ()})])
        options = self.model._meta
        every = (*options.fields, *options.many_to_many)
        editable = [each.name for each in every if getattr(each, "editable", False)]
        return [name for name in laid_out or editable if name in {*names}]

    def get_prepopulated_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """The author's, of what the form has an input for."""
        found = super().get_prepopulated_fields(request, obj)  # type: ignore[misc]  # as above
        gone = hidden_names(request, self.model) | fixed_names(request, self.model)
        return {k: v for k, v in found.items() if k not in gone and gone.isdisjoint(v)}


class OnlySeenInline(OnlySeen):
    """In front of an inline."""

    def get_formset(self, request: HttpRequest, obj: Any = None, **options: Any) -> Any:
        """The author's, whose rows and choices are those that the visitor sees."""
        formset = super().get_formset(request, obj, **options)  # type: ignore[misc]  # as above
        if not narrows():
            return formset
        restrict_form(request, formset.form, self.model)
        return _with_stand_ins(request, formset)


def _with_stand_ins(request: HttpRequest, formset: Any) -> Any:
    """A class of formsets whose rows refer to what the visitor sees."""

    def get_queryset(own: Any) -> Any:
        rows = formset.get_queryset(own)
        hide_related(request, rows)
        return rows

    return type(formset.__name__, (formset,), {"get_queryset": get_queryset})


class OnlySeenPages(SeenFiles, OnlySeen):
    """In front of a `ModelAdmin`."""

    def get_object(self, request: HttpRequest, object_id: Any, from_field: Any = None) -> Any:
        """The author's row; none that the visitor does not see."""
        row = super().get_object(request, object_id, from_field)  # type: ignore[misc]  # as above
        if row is None or not narrows():
            return row
        if row.pk not in seen_among(request, type(row), [row.pk]):
            return None
        hide_related(request, [row])
        return row

    def get_form(
        self, request: HttpRequest, obj: Any = None, change: bool = False, **options: Any
    ) -> Any:
        """The author's, with the choices that the visitor sees."""
        form = super().get_form(request, obj, change=change, **options)  # type: ignore[misc]  # as above
        if narrows():
            restrict_form(request, form, self.model)
        return form

    def get_list_display(self, request: HttpRequest) -> Any:
        """The author's, without what is hidden."""
        return self._seen_names(request, super().get_list_display(request))  # type: ignore[misc]  # as above

    def get_list_display_links(self, request: HttpRequest, list_display: Any) -> Any:
        """The author's; the first column leads to the row if that which did is hidden."""
        found = super().get_list_display_links(request, list_display)  # type: ignore[misc]  # as above
        kept = found if found is None else self._seen_names(request, found)
        return [*list_display][:1] if found and not kept else kept

    def get_list_filter(self, request: HttpRequest) -> Any:
        """The author's, without what is hidden."""
        found = super().get_list_filter(request)  # type: ignore[misc]  # as above
        return [each for each in found if not passes_hidden(request, self.model, _filtered(each))]

    def get_search_fields(self, request: HttpRequest) -> Any:
        """The author's, without what is hidden."""
        found = super().get_search_fields(request)  # type: ignore[misc]  # as above
        if not narrows():
            return found
        masks = getattr(request, _MASKS, {})
        kept = [
            each
            for each in found
            if not passes_hidden(request, self.model, str(each).lstrip("^=@"))
        ]
        return [masks.get(str(each), each) for each in kept]

    def get_search_results(self, request: HttpRequest, queryset: Any, search_term: str) -> Any:
        """The author's, by values of rows that the visitor sees."""
        masks: dict[str, str] = {}
        if narrows() and search_term:
            fields = self.get_search_fields(request)
            queryset, masks = with_masked_search(request, queryset, fields)
        setattr(request, _MASKS, masks)
        try:
            rows, has_duplicates = super().get_search_results(request, queryset, search_term)  # type: ignore[misc]  # as above
        finally:
            setattr(request, _MASKS, {})
        return rows, has_duplicates or bool(masks)

    def get_ordering(self, request: HttpRequest) -> Any:
        """The author's, without what is hidden."""
        found = super().get_ordering(request) or ()  # type: ignore[misc]  # as above
        return tuple(only_seen_order(request, self.model, found))

    def get_sortable_by(self, request: HttpRequest) -> Any:
        """The author's, without what is hidden."""
        return self._seen_names(request, super().get_sortable_by(request))  # type: ignore[misc]  # as above

    def lookup_allowed(self, lookup: str, value: Any, request: Any = None) -> bool:
        """The author's; what is hidden cannot be asked for."""
        if request is not None and passes_hidden(request, self.model, lookup):
            return False
        return bool(super().lookup_allowed(lookup, value, request))  # type: ignore[misc]  # as above

    def get_changelist(self, request: HttpRequest, **options: Any) -> Any:
        """The author's list, of what the visitor sees."""
        plain = super().get_changelist(request, **options)  # type: ignore[misc]  # as above
        return seen_changelist(plain) if narrows() else plain

    def get_list_editable(self, request: HttpRequest) -> Sequence[str]:
        """What the visitor may edit in the list."""
        gone = hidden_names(request, self.model) | fixed_names(request, self.model)
        found = super().get_list_editable(request)  # type: ignore[misc]  # as above
        return [name for name in found if name not in gone]

    def get_changelist_formset(self, request: HttpRequest, **options: Any) -> Any:
        """The author's, with the choices that the visitor sees."""
        if not narrows():
            return super().get_changelist_formset(request, **options)  # type: ignore[misc]  # as above
        formset = super().get_changelist_formset(request, **options)  # type: ignore[misc]  # as above
        restrict_form(request, formset.form, self.model)
        for name in [n for n in formset.form.base_fields if n in fixed_names(request, self.model)]:
            del formset.form.base_fields[name]
        return formset

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """The author's; a row that its writer would not see any more is refused, with the whole
        form."""
        super().save_related(request, form, formsets, change)  # type: ignore[misc]  # as above
        require_seen(request, form.instance, form)

    def save_formset(self, request: HttpRequest, form: Any, formset: Any, change: bool) -> None:
        """The author's, and the same of the rows of an inline."""
        super().save_formset(request, form, formset, change)  # type: ignore[misc]  # as above
        if not narrows():
            return
        changed = [row for row, _ in getattr(formset, "changed_objects", ())]
        written = {id(row) for row in (*getattr(formset, "new_objects", ()), *changed)}
        for each in formset.forms:
            if id(each.instance) in written:
                require_seen(request, each.instance, each)

    def _seen_names(self, request: HttpRequest, names: Any) -> Any:
        if names is None or not narrows():
            return names
        return [each for each in names if not passes_hidden(request, self.model, each)]


def require_seen(request: HttpRequest, row: Any, form: Any) -> None:
    """Require that the visitor sees a row as it was written.

    Raises:
        Forbidden: They would not see it any more; the error knows the form.
    """
    if row.pk is None or not conditions(request, type(row)):
        return
    if row.pk in seen_among(request, type(row), [row.pk]):
        return
    name = str(row._meta.verbose_name)
    error = Forbidden("row-not-yours", f"You may not see {with_article(name)} with these values.")
    setattr(error, REFUSED_FORM, form)
    raise error


def _without(options: dict[str, Any], hidden: frozenset[str]) -> dict[str, Any]:
    fields: list[Any] = []
    for each in options["fields"]:
        line = [each] if isinstance(each, str) or callable(each) else [*each]
        kept = [name for name in line if name not in hidden]
        if kept:
            fields.append(kept[0] if len(kept) == 1 else tuple(kept))
    return {**options, "fields": fields}


def _filtered(item: Any) -> Any:
    return item[0] if isinstance(item, tuple | list) else item
