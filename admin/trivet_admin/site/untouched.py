"""What a form was sent back with as it was shown.

A page shows a value as text, and a browser sends the text back with small changes of its own: line
ends become those of the network, a line loses its line breaks, and an address of mail its blanks.
What is equal but for these has not been touched, and the row's own value stands for it.
"""

from collections.abc import Iterator
from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from trivet_admin.mirror.shape import LOADED, shape_of
from trivet_admin.site.row_choices import shown_references

_STRIPPED = frozenset({"email", "url", "number"})
"""The kinds of inputs from which browsers take blanks (the HTML standard, 4.10.5.1)."""


def is_as_shown(bound: Any) -> bool:
    """Whether the field of a form was sent the very text that it showed."""
    widget, sent = bound.field.widget, bound.data
    if not isinstance(sent, str) or isinstance(widget, forms.MultiWidget):
        return False
    shown = widget.format_value(bound.field.prepare_value(bound.initial))
    if shown is None:
        shown = ""
    return isinstance(shown, str) and _as_browsers_send(shown, widget) in (
        sent,
        _as_browsers_send(sent, widget),
    )


def _as_browsers_send(text: str, widget: Any) -> str:
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    kind = getattr(widget, "input_type", None)
    if kind is not None and kind != "hidden":
        text = text.replace("\n", "")
    return text.strip() if kind in _STRIPPED else text


def show_key(form: Any) -> None:
    """Let a row among several show its key and take no other: another key is another row. The page
    of a single row has no field for it. Django finds the row here by the key that comes back: a key
    of several columns comes back as one hidden text, so that its parts need not."""
    if form.instance._state.adding:
        return
    for field in _key_fields(form):
        if form.instance._meta.is_composite_pk:
            field.disabled = True
        else:
            getattr(field.widget, "widget", field.widget).attrs["readonly"] = True


def _key_fields(form: Any) -> Iterator[Any]:
    keys = (*form.instance._meta.pk_fields, *shown_references(type(form.instance)))
    named = (field.name for field in keys)
    return (form.fields[name] for name in named if name in form.fields)


def keep_key(form: Any) -> None:
    """Give a row that is there the key that it has, whatever was sent."""
    if form.instance._state.adding:
        return
    for key in form.instance._meta.pk_fields:
        if key.name in form.fields:
            form.errors.pop(key.name, None)
            form.cleaned_data[key.name] = getattr(form.instance, key.name)


def keep_untouched(form: Any) -> None:
    """Give the form the row's own values for what was not changed, whatever Django's reading of
    their texts made of them or said about them; and note what the row holds, for its save."""
    instance = form.instance
    if instance._state.adding:
        return
    for field in _untouched(form):
        form.errors.pop(field.name, None)
        if not _was_made_otherwise(form, field.name):
            form.cleaned_data[field.name] = getattr(instance, field.attname)
    deferred = instance.get_deferred_fields()
    fields = [field for field in instance._meta.concrete_fields if field.attname not in deferred]
    setattr(instance, LOADED, {field.attname: getattr(instance, field.attname) for field in fields})


def refused_untouched(form: Any) -> set[str]:
    """The unchanged fields whose values their fields would not take today."""
    if form.instance._state.adding:
        return set()
    return {field.name for field in _untouched(form) if not _is_taken(form, field)}


def _untouched(form: Any) -> Iterator[Any]:
    """Relations are left out: the text of one is its key, which loses nothing."""
    version = shape_of(type(form.instance)).version_name
    keys = form.instance._meta.pk_fields
    for field in form.instance._meta.concrete_fields:
        is_unchanged = field.name in form.fields and field.name not in form.changed_data
        is_other = field.is_relation or field in keys or field.name == version
        if is_unchanged and not is_other:
            yield field


def _was_made_otherwise(form: Any, name: str) -> bool:
    """Whether the form's own ``clean_<name>`` has made something else of what was sent."""
    if not hasattr(form, f"clean_{name}") or name not in form.cleaned_data:
        return False
    bound = form[name]
    try:
        return bool(bound.field.clean(bound.data) != form.cleaned_data[name])
    except ValidationError:
        return True


def _is_taken(form: Any, field: Any) -> bool:
    try:
        field.clean(getattr(form.instance, field.attname), form.instance)
    except ValidationError:
        return False
    return True
