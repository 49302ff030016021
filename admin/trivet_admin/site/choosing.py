"""How a form offers the rows that a relation may refer to.

Django lists them all in a select, which is right for twenty and takes a page down for 100,000. So
a relation whose model can be searched is searched for, and one to a table with more than
`max_choices` rows is never listed: whoever may see its rows searches for them, by the texts that
the admin's pages show of them if `search_fields` names none, and everybody else types a key.

What an author says of a relation is done: `autocomplete_fields`, `raw_id_fields`, `radio_fields`, a
widget, a queryset. ``max_choices = None`` gives Django's own forms.
"""

from collections.abc import Iterator
from functools import reduce
from operator import or_
from typing import Any

from django.contrib.admin.utils import flatten_fieldsets
from django.contrib.admin.widgets import (
    AutocompleteSelect,
    AutocompleteSelectMultiple,
    ForeignKeyRawIdWidget,
    ManyToManyRawIdWidget,
    RelatedFieldWidgetWrapper,
)
from django.core.exceptions import FieldDoesNotExist, ValidationError
from django.db import models
from django.http import HttpRequest

from trivet_admin.site.sizes import has_more_than, rows_of, sizes

MAX_CHOICES = 300
"""A select of more is slower to read than to search, and every one of them is sent each time."""
CHOOSING = "trivet_choosing"
"""Set on the request of an autocompletion."""
SEARCHED_TEXTS = 5
"""How many columns are searched where nobody has said which."""


class RelatedChoices:
    """Mixed into a ModelAdmin or an inline, before Django's.

    `max_choices` is the number of rows up to which a related table may be listed in a select or
    a filter; None lists however many there are.
    """

    max_choices: int | None = MAX_CHOICES
    model: type[Any]
    admin_site: Any

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **options: Any) -> Any:
        """Django's; a field for a key needs no icons beside it, as in its `raw_id_fields`."""
        found = super().formfield_for_dbfield(db_field, request, **options)  # type: ignore[misc]  # an admin stands beside us
        widget = getattr(found, "widget", None)
        if isinstance(widget, RelatedFieldWidgetWrapper) and isinstance(widget.widget, KeyInput):
            found.widget = widget.widget
        return found

    def formfield_for_foreignkey(self, db_field: Any, request: Any, **options: Any) -> Any:
        """Django's, with the widget that suits the number of rows."""
        self._choose_widget(db_field, request, options, (AutocompleteSelect, OneKeyInput))
        return super().formfield_for_foreignkey(db_field, request, **options)  # type: ignore[misc]  # as above

    def formfield_for_manytomany(self, db_field: Any, request: Any, **options: Any) -> Any:
        """Django's, with the widget that suits the number of rows."""
        if db_field.remote_field.through._meta.auto_created:
            self._choose_widget(
                db_field, request, options, (AutocompleteSelectMultiple, ManyKeysInput)
            )
        return super().formfield_for_manytomany(db_field, request, **options)  # type: ignore[misc]  # as above

    def _choose_widget(
        self,
        db_field: Any,
        request: HttpRequest,
        options: dict[str, Any],
        widgets: tuple[type[Any], type[Any]],
    ) -> None:
        """Put a widget into `options` that searches for a row, or takes its key."""
        admin: Any = self
        if self.max_choices is None or "widget" in options or self._is_told(db_field, request):
            return
        search, by_key = widgets
        using = options.get("using")
        queryset = options.get("queryset")
        is_selected = db_field.name in (*admin.filter_horizontal, *admin.filter_vertical)
        visible = can_be_seen(admin.admin_site, db_field.remote_field.model, request)
        if queryset is not None:  # the author's own rows, which a search would not know of
            is_large, may_search = has_more_than(queryset, self.max_choices), False
        elif not is_selected and visible and is_searched(admin.admin_site, db_field, request):
            is_large = may_search = True
        else:
            is_large = has_many(db_field, self.max_choices)
            may_search = visible and can_be_searched(admin.admin_site, db_field, request)
        if is_large and may_search:
            options["widget"] = search(db_field, admin.admin_site, using=using)
        elif is_large:
            options["widget"] = by_key(db_field, admin.admin_site, visible, using)
            options.setdefault("help_text", _with(db_field.help_text, by_key.explain(db_field)))

    def _is_told(self, db_field: Any, request: HttpRequest) -> bool:
        """Whether an option says how this relation is shown."""
        admin: Any = self
        named = (*admin.get_autocomplete_fields(request), *admin.raw_id_fields)
        return db_field.name in named or db_field.name in admin.radio_fields


class ChosenByText:
    """Mixed into a ModelAdmin: its rows can be searched for in forms that refer to them, also if
    it has no `search_fields`. Its list has no search then."""

    model: type[Any]

    def get_search_fields(self, request: HttpRequest) -> Any:
        """Django's; in an autocompletion something in any case, or there would be none."""
        named = super().get_search_fields(request)  # type: ignore[misc]  # a ModelAdmin stands beside us
        return named or (("pk",) if hasattr(request, CHOOSING) else named)

    def get_search_results(self, request: HttpRequest, queryset: Any, search_term: str) -> Any:
        """Django's; by the texts that the admin shows, where only a form searches."""
        named = super().get_search_fields(request)  # type: ignore[misc]  # as above
        if hasattr(request, CHOOSING) and not named:
            return _rows_with(self, request, queryset, search_term), False
        return super().get_search_results(request, queryset, search_term)  # type: ignore[misc]  # as above


def can_be_seen(site: Any, model: type[Any], request: HttpRequest) -> bool:
    """Whether the visitor may look at the rows of `model` in the admin."""
    if not site.is_registered(model):
        return False
    return bool(site.get_model_admin(model).has_view_permission(request))


def is_searched(site: Any, db_field: Any, request: HttpRequest) -> bool:
    """Whether the list of the related model has a search."""
    return bool(site.get_model_admin(db_field.remote_field.model).get_search_fields(request))


def can_be_searched(site: Any, db_field: Any, request: HttpRequest) -> bool:
    """Whether a form can search for the rows of the related model."""
    from trivet_admin.site.seen_rows import plain_class  # which needs the models

    there = site.get_model_admin(db_field.remote_field.model)
    own = getattr(plain_class(there), "get_search_fields", None)
    is_ours = own is ChosenByText.get_search_fields
    return is_ours or is_searched(site, db_field, request)


_OF_CODE = frozenset({"auth.Permission", "contenttypes.ContentType"})
"""Django's models whose rows the code of an application makes up, not its use."""


def has_many(db_field: Any, bound: int) -> bool:
    """Whether a relation has more than `bound` rows to choose from."""
    related = db_field.remote_field.model
    if related._meta.label in _OF_CODE:
        return False
    rows = rows_of(related)
    limits = db_field.get_limit_choices_to()
    if not limits:
        return sizes.is_above(related, rows, bound)
    return sizes.is_above(db_field, rows.complex_filter(limits), bound)


class KeyInput:
    """Django's input for the key of a related row, with the row's text behind it. The ways to the
    related model's pages are left out for those who may not see them."""

    def __init__(
        self, db_field: Any, admin_site: Any, visible: bool, using: str | None = None
    ) -> None:
        self.visible = visible
        super().__init__(db_field.remote_field, admin_site, using=using)  # type: ignore[call-arg]  # a widget stands beside us

    def get_context(self, name: str, value: Any, attrs: Any) -> Any:
        context = super().get_context(name, value, attrs)  # type: ignore[misc]  # as above
        if not self.visible:
            context.pop("related_url", None)
            context.pop("link_url", None)
        return context


class OneKeyInput(KeyInput, ForeignKeyRawIdWidget):
    """Of one row."""

    @staticmethod
    def explain(db_field: Any) -> str:
        """What a person has to type."""
        return f"The key of a {db_field.remote_field.model._meta.verbose_name}."


class ManyKeysInput(KeyInput, ManyToManyRawIdWidget):
    """Of some rows."""

    @staticmethod
    def explain(db_field: Any) -> str:
        """What a person has to type."""
        plural = db_field.remote_field.model._meta.verbose_name_plural
        return f"The keys of {plural}, with commas between them."


def _with(help_text: Any, sentence: str) -> str:
    return f"{help_text} {sentence}" if help_text else sentence


def _rows_with(admin: Any, request: HttpRequest, rows: Any, term: str) -> Any:
    """Those of `rows` that have every word of `term` in a text that is shown, or `term` as their
    key."""
    words = term.split()
    if not words:
        return rows
    texts = [field.name for field in _shown_texts(admin, request)]
    found = models.Q()
    for word in words:
        found &= reduce(or_, (models.Q((f"{name}__icontains", word)) for name in texts), _NOTHING)
    key = _key_of(admin.model._meta.pk, term.strip())
    return rows.filter(found if key is None else found | models.Q(pk=key))


_NOTHING = models.Q(pk__in=())


def _key_of(key: Any, word: str) -> Any:
    try:
        return key.get_prep_value(key.to_python(word))
    except (ValueError, TypeError, ArithmeticError, ValidationError):
        return None


def _shown_texts(admin: Any, request: HttpRequest) -> list[Any]:
    """The columns of text that whoever may look at the rows is shown of them: in the list, or else
    in the form. No other is searched, or its values could be guessed letter by letter."""
    from trivet_admin.site.seen_rows import hidden_names  # as above

    listed = [*_texts(admin.model, admin.get_list_display(request))]
    if listed:
        return listed[:SEARCHED_TEXTS]
    options = admin.model._meta
    laid_out = flatten_fieldsets(admin.fieldsets or [(None, {"fields": admin.fields or ()})])
    names = laid_out or [field.name for field in options.fields if field.editable]
    hidden = {*(admin.get_exclude(request) or ()), *hidden_names(request, admin.model)}
    found = [*_texts(admin.model, [name for name in names if name not in hidden])]
    found.sort(key=lambda field: (isinstance(field, models.TextField), not field.unique))
    return found[:SEARCHED_TEXTS]


def _texts(model: type[Any], names: Any) -> Iterator[Any]:
    for name in names:
        try:
            field = model._meta.get_field(name) if isinstance(name, str) else None
        except FieldDoesNotExist:
            continue
        if isinstance(field, models.CharField | models.TextField) and not field.choices:
            yield field
