"""The rows that somebody has chosen for an action, in a list or by the form of one, by the texts of
their keys."""

from typing import Any

from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.utils import unquote
from django.db import models

from trivet_admin.site.addresses import is_key, text_of_key


def choose_by_address(request: Any, model: Any, object_id: str) -> None:
    """Let an action of a form, which Django has from 6.1 on, be about the row of its address. The
    form itself names the row as a template shows a value: a datetime in words."""
    if ACTION_CHECKBOX_NAME in request.POST and is_key(model, text := unquote(object_id)):
        request.POST = request.POST.copy()
        request.POST[ACTION_CHECKBOX_NAME] = str(model._meta.pk.to_python(text))


def leave_out_strangers(request: Any, model: Any) -> None:
    """Take out of the chosen rows those that none could be: no page of ours has sent them."""
    chosen = request.POST.getlist(ACTION_CHECKBOX_NAME)
    known = [text for text in chosen if is_key(model, text)]
    if known != chosen:
        request.POST = request.POST.copy()
        request.POST.setlist(ACTION_CHECKBOX_NAME, known)


def name_rows_by_text(answer: Any) -> None:
    """Let a page that asks once more, as that of "delete selected", hold the texts of the rows'
    keys. Django's template writes a datetime in words there, which nobody reads back."""
    context = getattr(answer, "context_data", None) or {}
    if isinstance(context.get("queryset"), models.QuerySet):
        context["queryset"] = [ChosenRow(row) for row in context["queryset"]]


class ChosenRow:
    """A row as Django's box to choose it asks for it: by its text and its key's."""

    def __init__(self, row: Any) -> None:
        self.pk = text_of_key(row.pk)
        self._row = row

    def __str__(self) -> str:
        return str(self._row)
