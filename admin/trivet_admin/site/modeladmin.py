"""The ModelAdmin of mirrored models: Django's, with refused writes told where they belong.

Everything that people know of Django's admin holds. What is added: a row's version travels
hidden in its form, validators and constraints of the mapped class speak at their fields,
and a service's error becomes a message and leaves nothing behind.
"""

from collections.abc import Callable, Sequence
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.utils import flatten_fieldsets, quote, unquote
from django.db import DEFAULT_DB_ALIAS, connections, models
from django.db.transaction import atomic
from django.forms import modelformset_factory
from django.http import HttpRequest, HttpResponseRedirect

from trivet_admin.errors.to_form import form_errors_of, is_refusal, sentence_of
from trivet_admin.mirror.reading import expressions_of, load_expressions
from trivet_admin.mirror.shape import Shape, find_shape
from trivet_admin.site.addresses import is_key, with_keys
from trivet_admin.site.admin_checks import AdminChecks
from trivet_admin.site.choosing import ChosenByText
from trivet_admin.site.chosen_rows import (
    ChosenRow,
    choose_by_address,
    leave_out_strangers,
    name_rows_by_text,
)
from trivet_admin.site.filters import bounded_changelist, with_media_of_filters
from trivet_admin.site.forms import (
    VersionedFormSet,
    mirror_form,
    with_errors,
)
from trivet_admin.site.kinds import KindsOfRows
from trivet_admin.site.lookups import ShownLookups
from trivet_admin.site.mirror_forms import (
    FAULTS,
    MirrorForms,
    asked_references,
    faults_of,
    lays_out,
)
from trivet_admin.site.only_read import OnlyReadPages
from trivet_admin.site.options import take_mapped_names
from trivet_admin.site.row_choices import arranged, shown_references, with_row_choices
from trivet_admin.site.saving import SavingWithServices
from trivet_admin.site.seeing import OnlySeenPages, in_front_of
from trivet_admin.site.seen_forms import REFUSED_FORM
from trivet_admin.site.seen_rows import hidden_names

_SAVING = "trivet_form"
"""Where a request keeps the form that it is saving."""


class ModelAdmin(
    SavingWithServices,
    MirrorForms,
    ChosenByText,
    ShownLookups,
    OnlyReadPages,
    KindsOfRows,
    admin.ModelAdmin,  # type: ignore[type-arg]  # not generic at run time
):
    """The pages that show and edit a mapped class; register it with `trivet_admin.register`.

    Override ``save_with(unit, key, changes)`` and ``delete_with(unit, key)`` where a change is a
    command of a service (docs/rules.md).
    """

    checks_class = AdminChecks

    def __new__(cls, *_arguments: Any) -> Any:
        return super().__new__(in_front_of(cls, OnlySeenPages))

    def __init__(self, model: Any, admin_site: Any) -> None:
        super().__init__(model, admin_site)
        take_mapped_names(self, model)

    def get_urls(self) -> list[Any]:
        return with_keys(super().get_urls())

    def get_object(self, request: HttpRequest, object_id: Any, from_field: Any = None) -> Any:
        """Django's; there is no row with a key that its column cannot hold."""
        if from_field is None and not is_key(self.model, object_id):
            return None
        return super().get_object(request, object_id, from_field)

    def history_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> Any:
        """Django's, which finds what it has logged of a row by ``str`` of its key."""
        row = self.get_object(request, unquote(object_id))
        logged = object_id if row is None else quote(str(row.pk))
        return super().history_view(request, logged, extra_context)

    def action_checkbox(self, obj: Any) -> Any:
        """Django's, with the text of the row's key."""
        plain: str = super().action_checkbox(ChosenRow(obj))
        return plain

    def get_form(
        self, request: HttpRequest, obj: Any = None, change: bool = False, **options: Any
    ) -> Any:
        form = mirror_form(options.get("form", self.form))
        options["form"] = with_row_choices(form, self.model, asked_references(self, request, obj))
        form = super().get_form(request, obj, change=change, **options)
        return with_errors(form, faults_of(request))

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """Django's, and the key of a row that is there: under another key it is another row."""
        named = super().get_readonly_fields(request, obj)
        if obj is None:
            return named
        laid_out = flatten_fieldsets(self.fieldsets or [(None, {"fields": self.fields or ()})])
        shown = (
            field.name
            for field in self.model._meta.pk_fields
            if field.name not in named and not isinstance(field, models.AutoField)
            if field.editable or field.name in laid_out
        )
        kept = (each.name for each in shown_references(self.model) if each.name not in named)
        return (
            *named,
            *shown,
            *(name for name in kept if not lays_out(self) or name in laid_out),
        )

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Django's; the key keeps its place when it can only be read."""
        fields = super().get_fields(request, obj)
        if not self.fields:
            fields = arranged(fields, self.model)
        keys = [field.name for field in self.model._meta.pk_fields]
        keys += [each.name for each in shown_references(self.model)]
        return fields if self.fields else sorted(fields, key=lambda name: name not in keys)

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        fieldsets = super().get_fieldsets(request, obj)
        if obj is not None and self.has_change_permission(request, obj):
            return self.with_version(fieldsets)
        keys = self.model._meta.pk_fields if obj is None else ()
        made_up = (field.name for field in keys if not field.editable)
        return _without(fieldsets, self.version_name, *made_up)

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        if object_id is not None:
            choose_by_address(request, self.model, object_id)
        try:
            return super().changeform_view(request, object_id, form_url, extra_context)
        except Exception as error:
            if request.method != "POST" or not is_refusal(error) or faults_of(request):
                raise
            form = getattr(error, REFUSED_FORM, None)
            prefix = None if form is None else form.prefix
            model = self.model if form is None else form._meta.model
            faults = form_errors_of(error, model, hidden_names(request, model))
            setattr(request, FAULTS, {prefix: faults})
        # Nothing of the first try is left. The second shows the form with what was wrong.
        return super().changeform_view(request, object_id, form_url, extra_context)

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> Any:
        view = super().delete_view
        if request.method != "POST":  # nothing is deleted, so there is no transaction to begin
            return view(request, object_id, extra_context)
        return self._or_message(request, lambda: view(request, object_id, extra_context))

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> Any:
        view = super().changelist_view
        if request.method != "POST":
            return with_media_of_filters(view(request, extra_context))
        response = self._or_message(request, lambda: view(request, extra_context))
        if response is None:  # the list is shown again, with what was wrong in its rows
            response = view(request, extra_context)
        return with_media_of_filters(response)

    def get_changelist(self, request: HttpRequest, **options: Any) -> type[Any]:
        """Django's, with filters that list no more than `max_choices`."""
        plain: Any = super().get_changelist(request, **options)
        changelist: type[Any] = bounded_changelist(plain)
        return changelist

    def save_form(self, request: HttpRequest, form: Any, change: bool) -> Any:
        """Django's. What is refused from here on is about this form, until the next one comes."""
        setattr(request, _SAVING, form)
        return super().save_form(request, form, change)

    def response_action(self, request: HttpRequest, queryset: Any, *rest: Any, **more: Any) -> Any:
        """Run an action as one unit: what it raises of `REFUSALS` is told, and undone."""
        leave_out_strangers(request, self.model)
        run = super().response_action
        answer = self._or_message(request, lambda: run(request, queryset, *rest, **more))
        name_rows_by_text(answer)
        return answer

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """Django's, with the column properties of all its rows asked for at once."""
        changes = super().get_changelist_instance(request)
        shape = find_shape(self.model)
        if isinstance(shape, Shape):
            known = {*expressions_of(shape.mapped)}
            shown = [name for name in changes.list_display if name in known]
            load_expressions(list(changes.result_list) if shown else [], shown)
        return changes

    def get_changelist_form(self, request: HttpRequest, **options: Any) -> Any:
        form = mirror_form(options.get("form", self.form))
        options["form"] = with_errors(form, faults_of(request))
        return super().get_changelist_form(request, **options)

    def get_changelist_formset(self, request: HttpRequest, **options: Any) -> Any:
        if self.version_name is None:
            return super().get_changelist_formset(request, **options)
        return modelformset_factory(
            self.model,
            self.get_changelist_form(request),
            formset=VersionedFormSet,
            extra=0,
            fields=[*self.get_list_editable(request), self.version_name],
            **options,
        )

    def get_list_editable(self, request: HttpRequest) -> Sequence[str]:
        del request
        return tuple(self.list_editable)

    def _or_message(self, request: HttpRequest, work: Callable[[], Any]) -> Any:
        """The answer of `work`. If it was refused: None, if the refusal is about a row of an
        editable list, which can be shown again; otherwise a message on the same page again."""
        try:
            with atomic():
                answer = work()
                # An error that `work` swallowed has doomed the savepoint, which would end
                # without a word, and the success that was prepared would not be true.
                connection: Any = connections[DEFAULT_DB_ALIAS]
                connection.require_success()
                return answer
        except Exception as error:
            if not is_refusal(error):
                raise
            form = getattr(request, _SAVING, None)
            if form is not None and form.prefix is not None:
                faults = form_errors_of(error, self.model, hidden_names(request, self.model))
                setattr(request, FAULTS, {form.prefix: faults})
                return None
            self.message_user(request, sentence_of(error), messages.ERROR)
        return HttpResponseRedirect(request.get_full_path())


def _without(fieldsets: Sequence[Any], *names: str | None) -> list[Any]:
    return [
        (title, {**options, "fields": [f for f in options["fields"] if f not in names]})
        for title, options in fieldsets
    ]
