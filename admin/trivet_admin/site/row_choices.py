"""Choosing the row that a foreign key of several columns refers to, in a form of the admin.

The columns themselves are asked for only where they serve something else besides.
"""

from collections.abc import Sequence
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.text import capfirst

from trivet_admin.mirror.row_references import RowReference, references_of
from trivet_admin.site.addresses import is_key
from trivet_admin.site.choosing import MAX_CHOICES
from trivet_admin.site.sizes import rows_of, sizes


class RowChoiceField(forms.ModelChoiceField):  # type: ignore[type-arg]  # not generic at run time
    """A choice of the row of a reference, by the text of its key."""

    def __init__(self, reference: RowReference) -> None:
        related: Any = reference.related_model
        rows, options = rows_of(related), dict[str, Any]()
        if sizes.is_above(related, rows, MAX_CHOICES):  # nobody looks through so many
            options = {
                "widget": forms.TextInput,
                "help_text": f"The key of the {related._meta.verbose_name}, as in its address.",
            }
        label = capfirst(str(reference.verbose_name))
        super().__init__(rows, required=not reference.null, label=label, **options)

    def to_python(self, value: Any) -> Any:
        rows: Any = self.queryset
        if value not in self.empty_values and not is_key(rows.model, str(value)):
            code = "invalid_choice"
            raise ValidationError(self.error_messages[code], code, params={"value": value})
        return super().to_python(value)


def with_row_choices(form: type[Any], model: type[Any], names: Sequence[str] | None) -> type[Any]:
    """`form`, with a choice for each reference of `model` among `names`; None stands for all."""
    wanted = {
        each.name: RowChoiceField(each)
        for each in references_of(model)
        if (names is None or each.name in names) and each.name not in form.base_fields
    }
    return type(form.__name__, (form,), wanted) if wanted else form


def arranged(fields: Sequence[Any], model: type[Any]) -> list[Any]:
    """`fields` as a form has them by itself, with each choice in the place of its first column,
    and without the columns that it stands for."""
    found = list(fields)
    for reference in references_of(model):
        if reference.name not in found:
            continue
        found.remove(reference.name)
        columns = [column.name for column in reference.local_related_fields]
        places = [found.index(name) for name in columns if name in found]
        found.insert(min(places, default=len(found)), reference.name)
        hidden = {column.name for column in reference.own_columns()}
        found = [name for name in found if name not in hidden]
    return found


def shown_references(model: type[Any]) -> list[RowReference]:
    """The references whose columns are all of the key of their row: they stay as they are."""
    keys = {*model._meta.pk_fields}
    return [each for each in references_of(model) if keys.issuperset(each.local_related_fields)]
