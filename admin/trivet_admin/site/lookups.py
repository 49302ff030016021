"""The lookups that the address of a list may ask for: those that it shows, and no other.

Django takes ``?column__startswith=`` for every column of a list's own model, shown or not, so
that anybody who sees the list can read a digest or a password's hash one letter at a time. Here a
column, or a path of relations, can be asked for if the list shows, filters or searches by it.
Everything else is refused with 400.

A lookup that no parameter can say, or whose cost has no bound, is refused for every column. A
regular expression can take longer than the universe is old, and on SQLite Python itself runs it,
so that the whole process stands still and no time limit ends it.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from django.contrib.admin import ListFilter
from django.contrib.admin.widgets import url_params_from_lookup_dict
from django.core.exceptions import FieldDoesNotExist
from django.db.models.constants import LOOKUP_SEP
from django.http import HttpRequest

_SEARCH_PREFIXES = "^=@"
"""Django's marks in ``search_fields``: how a field is compared."""


_UNBOUNDED = frozenset({"regex", "iregex"})
_OF_TWO = "range"
"""It wants two values, and a parameter is one: Django would fail over it."""
LOOKUP_STEPS = 6
"""How many steps may follow the column: transforms, keys of a JSON document, and the comparison."""


class ShownLookups:
    """Mixed into a ModelAdmin, before Django's.

    `allowed_lookups` are further columns or paths of relations (``"owner__team"``) that the
    list may be asked for, such as those that a link of one's own uses.
    """

    model: Any
    allowed_lookups: Sequence[str] = ()

    def lookup_allowed(self, lookup: str, value: Any, request: Any = None) -> bool:
        """Whether the list may be asked for `lookup`; Django answers 400 if not."""
        path = _path_of(self.model, lookup)
        if path is None:  # a filter's own parameter, or nothing that there is
            return True
        is_shown = path in self._shown(request) and _is_answerable(self.model, lookup)
        return (
            is_shown
            or lookup in self._parameters(request)
            or _limits_a_choice(self.model, lookup, value)
        )

    def _parameters(self, request: HttpRequest) -> set[str]:
        """The parameters of filters that are no columns; each filter reads its own."""
        admin: Any = self
        named = (getattr(each, "parameter_name", None) for each in admin.get_list_filter(request))
        return {name for name in named if name is not None}

    def _shown(self, request: HttpRequest) -> set[str]:
        """The paths that this list shows, filters or searches by."""
        admin: Any = self
        named = [
            *admin.get_list_display(request),
            *map(_filtered, admin.get_list_filter(request)),
            *(str(each).lstrip(_SEARCH_PREFIXES) for each in admin.get_search_fields(request)),
            *self.allowed_lookups,
            admin.date_hierarchy,
            # It stands in the address of each row.
            *(field.name for field in (self.model._meta.pk, *self.model._meta.pk_fields)),
        ]
        paths = (_path_of(self.model, name) for name in named if isinstance(name, str))
        return {path for path in paths if path is not None}


def _limits_a_choice(model: Any, lookup: str, value: Any) -> bool:
    """Whether Django asks so itself, in the window where a ``limit_choices_to`` is chosen from:
    the value is fixed in the code, so nothing can be tried."""
    limits = (each() if callable(each) else each for each in model._meta.related_fkey_lookups)
    return any((lookup, value) in url_params_from_lookup_dict(each).items() for each in limits)


def _filtered(item: Any) -> str | None:
    """The field of an item of ``list_filter``; None for a filter that knows its own."""
    if isinstance(item, type) and issubclass(item, ListFilter):
        return None
    return item[0] if isinstance(item, tuple | list) else str(item)


def _path_of(model: Any, lookup: str) -> str | None:
    """The columns and relations that `lookup` goes through, without what it does with the last.

    A relation's own key is the relation. None if it begins with no field: a parameter of a
    filter, or nothing that the database could be asked for.
    """
    path = list(_fields_of(model, lookup.split(LOOKUP_SEP)))
    while len(path) > 1 and path[-1] in _keys_of(path[-2]):
        path.pop()
    return LOOKUP_SEP.join(field.name for field in path) or None


def _is_answerable(model: Any, lookup: str) -> bool:
    """Whether a parameter can say what `lookup` compares with, and the database can answer it at a
    cost that the rows alone decide."""
    parts = lookup.split(LOOKUP_SEP)
    steps = parts[len(list(_fields_of(model, parts))) :]
    return len(steps) <= LOOKUP_STEPS and _UNBOUNDED.isdisjoint(steps) and steps[-1:] != [_OF_TWO]


def _fields_of(model: Any, parts: Iterable[str]) -> Iterator[Any]:
    for part in parts:
        try:
            field = model._meta.pk if part == "pk" else model._meta.get_field(part)
        except FieldDoesNotExist:
            return
        yield field
        if not getattr(field, "path_infos", None):
            return
        model = field.path_infos[-1].to_opts.model


def _keys_of(relation: Any) -> tuple[Any, ...]:
    """The columns of its target that a relation itself holds."""
    targets = getattr(relation, "target_fields", None) or relation.path_infos[-1].target_fields
    return tuple(targets)
