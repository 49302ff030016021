"""The ModelAdmin of mirrored models: Django's, with refused writes told where they belong.

Everything that people know of Django's admin holds. What is added: a row's version travels
hidden in its form, validators and constraints of the mapped class speak at their fields,
and a service's error becomes a message and leaves nothing behind.
"""

from collections.abc import Callable, Sequence
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.utils import flatten_fieldsets, quote, unquote
from django.db import DEFAULT_DB_ALIAS, connections, models
from django.db.transaction import atomic
from django.forms import modelformset_factory
from django.http import HttpRequest, HttpResponseRedirect

from trivet_admin.errors.to_form import form_errors_of, is_refusal, sentence_of
from trivet_admin.mirror.reading import expressions_of, load_expressions
from trivet_admin.mirror.registry import mirror
from trivet_admin.mirror.row_references import references_of
from trivet_admin.mirror.shape import Shape, find_shape
from trivet_admin.mirror.typed import ShownField
from trivet_admin.site.addresses import is_key, text_of_key, with_keys
from trivet_admin.site.admin_checks import AdminChecks
from trivet_admin.site.choosing import ChosenByText, RelatedChoices
from trivet_admin.site.filters import bounded_changelist, with_media_of_filters
from trivet_admin.site.forms import (
    FaultsOfForms,
    VersionedFormSet,
    mirror_form,
    with_errors,
)
from trivet_admin.site.kinds import KindsOfRows
from trivet_admin.site.lookups import ShownLookups
from trivet_admin.site.only_read import OnlyRead, OnlyReadPages
from trivet_admin.site.options import take_mapped_names
from trivet_admin.site.row_choices import arranged, shown_references, with_row_choices
from trivet_admin.site.saving import SavingWithServices
from trivet_admin.site.seeing import OnlySeenInline, OnlySeenPages, in_front_of
from trivet_admin.site.seen_forms import REFUSED_FORM

_FAULTS = "trivet_faults"
"""Where a request keeps the faults of its first try while its forms are shown again."""
_SAVING = "trivet_form"
"""Where a request keeps the form that it is saving."""


def faults_of(request: HttpRequest) -> FaultsOfForms:
    """The refusal that the first try to save this request's forms met."""
    faults: FaultsOfForms = getattr(request, _FAULTS, {})
    return faults


class _MirrorForms(RelatedChoices):
    """Shared by the admin of a model and the inlines of one."""

    model: type[Any]
    form: type[Any]

    @property
    def version_name(self) -> str | None:
        """The name of the version field, if the rows have a version."""
        shape = find_shape(self.model)
        return shape.version_name if isinstance(shape, Shape) else None

    def _lays_out(self) -> bool:
        """Whether an option names the fields of the form."""
        admin: Any = self
        return bool(admin.fields or admin.fieldsets)

    def _asked(self, request: HttpRequest, obj: Any) -> list[str]:
        """The references of several columns that the form asks for."""
        admin: Any = self
        laid_out = flatten_fieldsets(admin.fieldsets or [(None, {"fields": admin.fields or ()})])
        shown = {*admin.get_readonly_fields(request, obj), *(admin.get_exclude(request, obj) or ())}
        return [
            each.name
            for each in references_of(self.model)
            if each.name not in shown and (not self._lays_out() or each.name in laid_out)
        ]

    def with_version(self, fieldsets: Sequence[Any]) -> list[Any]:
        """`fieldsets`, the first of which carries the hidden version too."""
        listed = [name for _, options in fieldsets for name in options["fields"]]
        if self.version_name is None or self.version_name in listed or not fieldsets:
            return list(fieldsets)
        (title, options), *rest = fieldsets
        return [(title, {**options, "fields": [*options["fields"], self.version_name]}), *rest]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """Django's, and the values that no form can take back: of a row that there is, and where
        an option names them."""
        admin: Any = self
        named = tuple(super().get_readonly_fields(request, obj))  # type: ignore[misc]  # an admin stands beside us
        laid_out = flatten_fieldsets(admin.fieldsets or [(None, {"fields": admin.fields or ()})])
        shown = (
            field.name
            for field in self.model._meta.concrete_fields
            if _is_only_shown(self.model, field) and field.name not in named
            if field.name in laid_out or (getattr(field, "is_shown", True) and obj is not None)
        )
        return (*named, *shown)


class ModelAdmin(
    SavingWithServices,
    _MirrorForms,
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
        plain: str = super().action_checkbox(_Chosen(obj))
        return plain

    def get_form(
        self, request: HttpRequest, obj: Any = None, change: bool = False, **options: Any
    ) -> Any:
        form = mirror_form(options.get("form", self.form))
        options["form"] = with_row_choices(form, self.model, self._asked(request, obj))
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
            *(name for name in kept if not self._lays_out() or name in laid_out),
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
        try:
            return super().changeform_view(request, object_id, form_url, extra_context)
        except Exception as error:
            if request.method != "POST" or not is_refusal(error) or faults_of(request):
                raise
            form = getattr(error, REFUSED_FORM, None)
            prefix = None if form is None else form.prefix
            model = self.model if form is None else form._meta.model
            setattr(request, _FAULTS, {prefix: form_errors_of(error, model)})
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
        _leave_out_strangers(request, self.model)
        run = super().response_action
        answer = self._or_message(request, lambda: run(request, queryset, *rest, **more))
        _name_rows_by_text(answer)
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
                faults = {form.prefix: form_errors_of(error, self.model)}
                setattr(request, _FAULTS, faults)
                return None
            self.message_user(request, sentence_of(error), messages.ERROR)
        return HttpResponseRedirect(request.get_full_path())


class _MirrorInline(_MirrorForms, OnlyRead):
    """An inline of a mapped class: its `model` is the mapped class itself."""

    def __new__(cls, *_arguments: Any) -> Any:
        plain: Any = cls
        return super().__new__(in_front_of(plain, OnlySeenInline))

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        model = cls.__dict__.get("model")
        if model is not None and not issubclass(model, models.Model):
            cls.model = mirror(model)

    def __init__(self, parent_model: Any, admin_site: Any) -> None:
        super().__init__(parent_model, admin_site)  # type: ignore[call-arg]  # an inline stands beside us
        take_mapped_names(self, self.model)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        fields = super().get_fields(request, obj)  # type: ignore[misc]  # an inline stands beside us
        own: Any = self
        return fields if own.fields else arranged(fields, self.model)

    def get_formset(self, request: HttpRequest, obj: Any = None, **options: Any) -> Any:
        form = mirror_form(options.get("form", self.form))
        form = with_row_choices(form, self.model, self._asked(request, obj))
        options["form"] = with_errors(form, faults_of(request))
        formset: Any = super().get_formset(request, obj, **options)  # type: ignore[misc]  # an inline stands beside us
        return formset if _reverse_of(formset) else _named(formset)

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        return self.with_version(super().get_fieldsets(request, obj))  # type: ignore[misc]  # as above


def _reverse_of(formset: Any) -> str:
    """The name by which the parent knows the rows of an inline; empty if it has none."""
    name = str(formset.fk.remote_field.get_accessor_name(model=formset.model))
    return name.replace("+", "")


def _named(formset: Any) -> Any:
    """A formset whose inputs have a name. Django takes that of the relation on the other side, and
    if there is none its scripts look for inputs by a name that is none."""
    name = f"{formset.model._meta.model_name}_{formset.fk.name}"
    prefix = classmethod(lambda _cls: name)
    return type(formset.__name__, (formset,), {"get_default_prefix": prefix})


class TabularInline(_MirrorInline, admin.TabularInline):  # type: ignore[type-arg]  # as above
    """Rows of a mapped class inside the form of another, one a line."""


class StackedInline(_MirrorInline, admin.StackedInline):  # type: ignore[type-arg]  # as above
    """Rows of a mapped class inside the form of another, one below the other."""


def _leave_out_strangers(request: Any, model: Any) -> None:
    """Take out of the chosen rows those that none could be: no page of ours has sent them."""
    chosen = request.POST.getlist(ACTION_CHECKBOX_NAME)
    known = [text for text in chosen if is_key(model, text)]
    if known != chosen:
        request.POST = request.POST.copy()
        request.POST.setlist(ACTION_CHECKBOX_NAME, known)


def _name_rows_by_text(answer: Any) -> None:
    """Let a page that asks once more, as that of "delete selected", hold the texts of the rows'
    keys. Django's template writes a datetime in words there, which nobody reads back."""
    context = getattr(answer, "context_data", None) or {}
    if isinstance(context.get("queryset"), models.QuerySet):
        context["queryset"] = [_Chosen(row) for row in context["queryset"]]


class _Chosen:
    """A row as Django's box to choose it asks for it: by its text and its key's."""

    def __init__(self, row: Any) -> None:
        self.pk = text_of_key(row.pk)
        self._row = row

    def __str__(self) -> str:
        return str(self._row)


def _is_only_shown(model: Any, field: Any) -> bool:
    """Whether a form shows a field of a row and never takes it: no text stands for its value, or
    SQLAlchemy sets it."""
    shape = find_shape(model)
    is_set = isinstance(shape, Shape) and shape.keys.get(field.attname) == shape.discriminator
    return isinstance(field, ShownField) or is_set


def _without(fieldsets: Sequence[Any], *names: str | None) -> list[Any]:
    return [
        (title, {**options, "fields": [f for f in options["fields"] if f not in names]})
        for title, options in fieldsets
    ]
