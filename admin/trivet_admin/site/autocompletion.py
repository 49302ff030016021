"""What a form is told while somebody types to find a related row.

Django's own answer, with Django's permissions, for admin classes without `search_fields` too
(`trivet_admin.site.choosing`). Django counts all rows that are found, at each letter; here one row
more than a page holds says that there is another page.
"""

from functools import cached_property
from typing import Any

from django.contrib.admin.views.autocomplete import AutocompleteJsonView
from django.core.paginator import EmptyPage, Page, Paginator
from django.http import HttpRequest

from trivet_admin.site.choosing import CHOOSING

MOST_PAGES = 500
"""Nobody scrolls so far, and the database skips all the rows before."""


class Autocompletion(AutocompleteJsonView):
    """The view at ``/admin/autocomplete/``."""

    def process_request(self, request: HttpRequest) -> Any:
        """Django's step of reading the request; pinned by a test."""
        setattr(request, CHOOSING, True)
        term, *rest = super().process_request(request)
        return (term.replace("\x00", ""), *rest)

    def get_queryset(self) -> Any:
        """Django's, in an order in which no page has a row of another."""
        rows = super().get_queryset()
        return rows if rows.ordered else rows.order_by("pk")

    def get_paginator(self, queryset: Any, per_page: int, *args: Any, **options: Any) -> Any:
        """One that does not count, if the admin class has none of its own."""
        if self.model_admin.paginator is Paginator:
            return _Uncounted(queryset, per_page)
        return super().get_paginator(queryset, per_page, *args, **options)


class _Uncounted(Paginator):  # type: ignore[type-arg]  # not generic at run time
    """Pages of rows whose number nobody knows."""

    @cached_property
    def count(self) -> int:
        return MOST_PAGES * self.per_page

    def page(self, number: Any) -> "Page[Any]":
        """The page, of rows that are read once."""
        number = self.validate_number(number)
        first = (number - 1) * self.per_page
        rows = list(self.object_list[first : first + self.per_page + 1])
        if number > 1 and not rows:
            raise EmptyPage("there is no such page")
        kind = _Last if len(rows) <= self.per_page else Page
        return kind(rows[: self.per_page], number, self)


class _Last(Page):  # type: ignore[type-arg]  # as above
    """A page that no other follows."""

    def has_next(self) -> bool:
        return False
