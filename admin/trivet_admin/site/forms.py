"""The form of a mirrored model: the mapped class's own rules, told at their fields.

A form writes what its user changed, and nothing else. What comes back as it was shown is taken
from the row and not from the form's text, which has no microseconds, no padding, and one text for
NULL and for an empty one (`trivet_admin.site.untouched`).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from types import MappingProxyType
from typing import Any

from django import forms
from django.core.exceptions import NON_FIELD_ERRORS
from django.db import models
from django.utils.functional import cached_property
from sqlalchemy import inspect
from sqlalchemy.orm.attributes import set_committed_value

from trivet.data.fitting.declared import declared_of
from trivet.data.validators import find_refusal
from trivet.errors import TrivetError
from trivet.models.row_keys import key_text
from trivet_admin.backends.reader import open_reader
from trivet_admin.backends.writes import to_mapped
from trivet_admin.errors.to_django import CHANGED_MEANWHILE
from trivet_admin.generic import ModelForm, ModelFormSet
from trivet_admin.mirror.relating import relations_of
from trivet_admin.mirror.row_references import references_of
from trivet_admin.mirror.shape import Shape, find_shape
from trivet_admin.mirror.unreadable import UNREADABLE, Unreadable
from trivet_admin.site.addresses import text_of_key
from trivet_admin.site.seen_forms import REFUSED_FORM, keep_what_is_not_seen, with_unseen_members
from trivet_admin.site.untouched import (
    is_as_shown,
    keep_key,
    keep_untouched,
    refused_untouched,
    show_key,
)

FormErrors = Mapping[str, Sequence[str]]
"""Sentences for each form field; `NON_FIELD_ERRORS` for the whole form."""
FaultsOfForms = Mapping[str | None, FormErrors]
"""The errors of each form of a page, by its prefix; None is that of the only form."""
_NO_VERSION = "The form came without the version that it was made from. Open it again."


class MirrorFormMixin:
    """Mixed into the ModelForm of a mirrored model.

    `faults` are what an earlier try to save the same input ran into, for each form of a page by
    its prefix, so that the forms can be shown again with it.
    """

    faults: FaultsOfForms = MappingProxyType({})
    prefix: str | None
    instance: models.Model
    cleaned_data: dict[str, Any]
    fields: dict[str, Any]
    has_changed: Callable[[], bool]

    @cached_property
    def changed_data(self) -> list[str]:
        """The fields that were changed: those that came back otherwise than they were shown."""
        found: list[str] = super().changed_data  # type: ignore[misc]  # a ModelForm stands beside us
        form: Any = self
        return [name for name in found if not is_as_shown(form[name])]

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        if isinstance(find_shape(type(self.instance)), Shape):
            show_key(self)
            self._show_references()
            keep_what_is_not_seen(self)

    def _show_references(self) -> None:
        """Choose the row that several columns refer to."""
        form: Any = self
        for each in references_of(type(self.instance)):
            if each.name in self.fields and each.is_set(self.instance):
                # As a text: a widget takes a tuple for several choices.
                form.initial.setdefault(each.name, text_of_key(each.row_key(self.instance)))

    def _compare_references(self) -> None:
        """Refuse the choice of a row that contradicts a column which has a value of its own."""
        for each in references_of(type(self.instance)):
            row = self.cleaned_data.get(each.name)
            for own, there in each.related_fields if row is not None else ():
                given = self._given(own)
                if given is not None and given != getattr(row, there.attname):
                    self._add(each.name, [f"This one belongs to another {own.verbose_name}."])
                    break

    def _given(self, field: Any) -> Any:
        """The value of a column that the form asks for, or that is the key of a row."""
        if field.name in self.cleaned_data:
            value = self.cleaned_data[field.name]
            is_row = isinstance(value, models.Model)
            return getattr(value, field.target_field.attname) if is_row else value
        is_kept = field in self.instance._meta.pk_fields and not self.instance._state.adding
        return getattr(self.instance, field.attname) if is_kept else None

    def clean(self) -> Any:
        """Django's, on what the row holds where nothing was changed."""
        if isinstance(find_shape(type(self.instance)), Shape):
            keep_key(self)
            keep_untouched(self)
            self._compare_references()
        return super().clean()  # type: ignore[misc]  # a ModelForm stands beside us

    def _get_validation_exclusions(self) -> set[str]:
        """Django's list of what the instance is not asked about; pinned by a test. A value that
        stays as it is need not be one that could be given today."""
        found: set[str] = super()._get_validation_exclusions()  # type: ignore[misc]  # as above
        if isinstance(find_shape(type(self.instance)), Shape):
            found |= refused_untouched(self)
        return found

    def _post_clean(self) -> None:
        """Django's step between cleaning and validating the instance; pinned by a test."""
        shape = find_shape(type(self.instance))
        if isinstance(shape, Shape):
            self._check_version(shape)
        super()._post_clean()  # type: ignore[misc]  # a ModelForm stands beside us
        if isinstance(shape, Shape):
            self._check_validators(shape)
        for name, sentences in self.faults.get(self.prefix, {}).items():
            self._add(name, sentences)

    def _save_m2m(self) -> None:
        """Django's step that writes many-to-many fields; pinned by a test."""
        given = self.cleaned_data
        self.cleaned_data = {**given, **with_unseen_members(self)}
        try:
            super()._save_m2m()  # type: ignore[misc]  # a ModelForm stands beside us
        finally:
            self.cleaned_data = given

    def save(self, commit: bool = True) -> Any:
        """Django's; what refuses the row knows from here on which form it came from."""
        try:
            return super().save(commit)  # type: ignore[misc]  # a ModelForm stands beside us
        except Exception as error:
            setattr(error, REFUSED_FORM, self)
            raise

    def _check_version(self, shape: Shape) -> None:
        """Refuse input that was made from an older version than the present one."""
        version = shape.version_name
        if version is None or version not in self.fields or self.instance._state.adding:
            return
        if not self.has_changed():
            return  # a row of a list that nobody touched here
        seen = self.cleaned_data.get(version)
        if not seen:
            self._add(NON_FIELD_ERRORS, [_NO_VERSION])
        elif seen != key_text([getattr(self.instance, version)]):
            self._add(NON_FIELD_ERRORS, [CHANGED_MEANWHILE])

    def _check_validators(self, shape: Shape) -> None:
        """Try the values on an object that is never saved: ``@validates`` speaks at its field."""
        trial = inspect(shape.mapped).class_manager.new_instance()
        fields = {field.name: field for field in self.instance._meta.concrete_fields}
        for field in fields.values():
            value = getattr(self.instance, field.attname)
            set_committed_value(trial, shape.key_of(field), value)
        named = [fields[name] for name in self.cleaned_data if name in fields]
        values: dict[Any, Any] = {}
        for field in named:
            key = shape.key_of(field)
            if key == shape.version or (key,) == shape.primary_key:
                continue
            value = getattr(self.instance, field.attname)
            if isinstance(value, Unreadable):
                self._add(field.name, [UNREADABLE])
                continue
            with self._refusals_at(field.name):
                setattr(trial, key, mapped_value := to_mapped(field, value))
                values[field] = mapped_value
                declared = declared_of(inspect(shape.mapped), key)
                if declared is not None and mapped_value is not None and self._is_given(field):
                    declared.fit(mapped_value)
        self._check_relations(shape, trial, values)

    def _check_relations(self, shape: Shape, trial: Any, values: Mapping[Any, Any]) -> None:
        """What the rules of relationships say of the rows that are referred to."""
        relations = relations_of(inspect(shape.mapped))
        fields = {shape.key_of(field): field for field in values if self._is_given(field)}
        wanted = [key for key in relations if key in fields]
        if not wanted:
            return
        with open_reader() as session:
            session.enable_relationship_loading(trial)
            for key in wanted:
                with self._refusals_at(fields[key].name):
                    relations[key].relate(session, trial, values[fields[key]])

    def _is_given(self, field: Any) -> bool:
        return self.instance._state.adding or field.name in self.changed_data

    @contextmanager
    def _refusals_at(self, name: str) -> Iterator[None]:
        """Say what a validator refuses at the field `name`."""
        try:
            yield
        except Exception as error:
            refusal = find_refusal(error)
            if refusal is None and not isinstance(error, ValueError | TrivetError):
                raise
            self._add(name, [refusal.sentence if refusal else str(error)])

    def _add(self, name: str, sentences: Sequence[str]) -> None:
        """Say it at the field, or, if the form does not show it, above the form with its name."""
        is_shown = name in self.fields
        label = "" if is_shown else _label(type(self.instance), name)
        for sentence in sentences:
            self.add_error(name if is_shown else None, f"{label}{sentence}")  # type: ignore[attr-defined]  # a ModelForm stands beside us


def _label(model: type[models.Model], name: str) -> str:
    fields = {field.name: field for field in model._meta.concrete_fields}
    return f"{fields[name].verbose_name}: " if name in fields else ""


class MirrorForm(MirrorFormMixin, ModelForm):
    """The plain form of a mirrored model."""


@cache
def mirror_form(form: type[Any]) -> type[Any]:
    """`form` with the rules of the mapped class, if it has them not already."""
    if issubclass(form, MirrorFormMixin):
        return form
    if form is forms.ModelForm:
        return MirrorForm
    return type(form.__name__, (MirrorFormMixin, form), {})


def with_errors(form: type[Any], faults: FaultsOfForms) -> type[Any]:
    """`form`, showing `faults` whatever its input."""
    if not faults:
        return form
    return type(form.__name__, (form,), {"faults": faults})


class KeyAndVersionInput(forms.HiddenInput):
    """The hidden key of a row in an editable list, with the row's version behind it: the
    list shows no other hidden fields."""

    def __init__(self, form: Any, version: str | None) -> None:
        super().__init__()
        self._form = form
        self._version = version

    def render(self, *args: Any, **options: Any) -> Any:
        return super().render(*args, **options) + str(self._form[self._version])


class VersionedFormSet(ModelFormSet):
    """The rows of an editable list, each with the version that it was made from."""

    def add_fields(self, form: Any, index: int | None) -> None:
        super().add_fields(form, index)
        model: Any = self.model
        shape = find_shape(model)
        if isinstance(shape, Shape) and shape.version_name in form.fields:
            key = form.fields[model._meta.pk.name]
            key.widget = KeyAndVersionInput(form, shape.version_name)
