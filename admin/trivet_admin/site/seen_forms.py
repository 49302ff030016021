"""Forms of somebody who does not see every row: what they offer, and what they leave as it is.

A row that the visitor does not see is no choice, and to send its key is refused in the words for a
row that there is not. If the edited row refers to one already, that one stays a choice, shown by
its key alone, so that a save keeps it. The members of a many-to-many field that are not shown are
not taken away.
"""

import copy
from collections.abc import Iterator
from typing import Any

from django import forms
from django.contrib.admin.widgets import ForeignKeyRawIdWidget, RelatedFieldWidgetWrapper
from django.core.exceptions import FieldDoesNotExist
from django.db import models
from django.db.models import Expression, Q
from django.forms.models import apply_limit_choices_to_to_formfield
from django.http import HttpRequest

from trivet_admin.mirror.shape import NOT_SHOWN
from trivet_admin.site.seen_rows import conditions, hidden_names, only_seen
from trivet_admin.site.sizes import rows_of

REFUSED_FORM = "trivet_form"
"""The attribute of an exception that holds the form whose row was refused with it."""
_WHOLE = "trivet_whole"
"""The attribute of a form's field that holds what it would offer to somebody who sees all."""
_CONDITIONS = "trivet_conditions"
"""That which holds the conditions for the rows that are seen."""


def restrict_form(request: HttpRequest, form: type[Any], model: Any) -> None:
    """Let `form`, a class made for this request, offer what the visitor sees.

    Fields of attributes that are hidden are taken out. The others are copied first: those that an
    author declared serve other requests too.
    """
    hidden = hidden_names(request, model)
    for name in [each for each in form.base_fields if each in hidden]:
        del form.base_fields[name]
    for name, field in form.base_fields.items():
        rows = field.queryset if isinstance(field, forms.ModelChoiceField) else None
        if rows is not None:
            wanted = conditions(request, rows.model)
            if wanted:
                form.base_fields[name] = _restricted(request, copy.deepcopy(field), wanted)


def _restricted(request: HttpRequest, field: Any, wanted: list[Expression]) -> Any:
    setattr(field, _WHOLE, field.queryset)
    setattr(field, _CONDITIONS, wanted)
    field.queryset = only_seen(request, field.queryset)
    wrapper = field.widget if isinstance(field.widget, RelatedFieldWidgetWrapper) else None
    widget = field.widget if wrapper is None else wrapper.widget
    if isinstance(widget, ForeignKeyRawIdWidget):
        shown = _shown_by_key(widget, wanted)
        if wrapper is None:
            field.widget = shown
        else:
            wrapper.widget = shown
    return field


def _shown_by_key(widget: Any, wanted: list[Expression]) -> Any:
    """The same input for a key, without the text of a row that is not seen."""
    kind = type(widget)
    found = copy.copy(widget)
    found.__class__ = type(kind.__name__, (_OnlySeenText, kind), {"conditions": wanted})
    return found


class _OnlySeenText:
    """Mixed into Django's input for the key of a row."""

    conditions: list[Expression]

    def label_and_url_for_value(self, value: Any) -> tuple[str, str]:
        """Django's text and link of the row; nothing for one that is not seen."""
        own: Any = self
        key = own.rel.get_related_field().name
        rows = rows_of(own.rel.model).filter(*self.conditions)
        try:
            is_seen = rows.filter(**{key: value}).exists()
        except (ValueError, TypeError):
            is_seen = False
        return super().label_and_url_for_value(value) if is_seen else ("", "")  # type: ignore[misc]  # a widget stands beside us


def _restricted_fields(form: Any) -> Iterator[tuple[str, Any]]:
    for name, field in form.fields.items():
        if hasattr(field, _CONDITIONS):
            yield name, field


def keep_what_is_not_seen(form: Any) -> None:
    """Let a form of a row that is there have what the row refers to already."""
    for name, field in _restricted_fields(form):
        if isinstance(field, forms.ModelMultipleChoiceField):
            _show_seen_members(form, name, field)
        elif not form.instance._state.adding:
            _keep_reference(form, name, field)


def _show_seen_members(form: Any, name: str, field: Any) -> None:
    members = form.initial.get(name)
    if isinstance(members, list | tuple) and members:
        keys = {getattr(each, "pk", each) for each in members}
        seen = {*_seen(field).filter(pk__in=[*keys]).values_list("pk", flat=True)}
        form.initial[name] = [each for each in members if getattr(each, "pk", each) in seen]


def _seen(field: Any) -> Any:
    return rows_of(field.queryset.model).filter(*getattr(field, _CONDITIONS))


def _keep_reference(form: Any, name: str, field: Any) -> None:
    try:
        relation = form.instance._meta.get_field(name)
    except FieldDoesNotExist:
        return
    pairs = [
        (there.attname, getattr(form.instance, own.attname))
        for own, there in getattr(relation, "related_fields", ())
    ]
    if not pairs or any(value is None for _, value in pairs):
        return
    held = Q(**dict(pairs))
    if _is_shown(form.instance, relation, field, held):
        return
    wanted = Q(*getattr(field, _CONDITIONS)) | held
    field.queryset = getattr(field, _WHOLE).filter(wanted)
    apply_limit_choices_to_to_formfield(field)
    unseen = {*rows_of(field.queryset.model).filter(held).values_list("pk", flat=True)}
    plain = field.label_from_instance
    field.label_from_instance = lambda row: _key_text(row) if row.pk in unseen else plain(row)


def _is_shown(instance: Any, relation: Any, field: Any, held: Q) -> bool:
    if relation.is_cached(instance):
        row = relation.get_cached_value(instance)
        if row is not None and NOT_SHOWN in vars(row):
            return False
    return bool(_seen(field).filter(held).exists())


def _key_text(row: models.Model) -> str:
    return f"{row._meta.verbose_name} {row.pk} (not shown)"


def with_unseen_members(form: Any) -> dict[str, Any]:
    """The chosen members of many-to-many fields by name, with those that the row has and the form
    did not show."""
    found: dict[str, Any] = {}
    for name, field in _restricted_fields(form):
        if name not in form.cleaned_data or not isinstance(field, forms.ModelMultipleChoiceField):
            continue
        manager = getattr(form.instance, name, None)
        if not isinstance(manager, models.Manager):
            continue
        present = {*manager.values_list("pk", flat=True)}
        unseen = present - {*_seen(field).filter(pk__in=[*present]).values_list("pk", flat=True)}
        rows = rows_of(manager.model).filter(pk__in=[*unseen])
        found[name] = [*form.cleaned_data[name], *rows] if unseen else form.cleaned_data[name]
    return found
