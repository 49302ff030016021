"""The members of many-to-many relationships in the entries of their owners.

An entry of a book names the tags that were added and removed, by their keys. A reader of whom a
rule hides rows of tags is told of those alone that they see now, as everywhere in the trail.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

import msgspec
from django.apps import apps
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from sqlalchemy import inspect

from trivet.audit.capture import associations_of
from trivet_admin.mirror.shape import (
    Shape,
    find_shape,
    has_whole_table,
    model_of_table,
    table_name_of,
)
from trivet_admin.site.seen_rows import is_restricted, narrows, seen_among

_KEPT = "trivet_members"
"""Where a request keeps its answer: a page asks for it several times."""

Members = Mapping[str, Any]
"""The relationships of a class whose members a rule hides, each with the model of these."""


def tables_with_members(request: HttpRequest) -> Mapping[str, Members]:
    """The tables in whose entries there may be members that the user of `request` does not see."""
    kept = vars(request)
    if _KEPT not in kept:
        every = apps.get_models() if narrows() else ()
        found = ((model, dict(_restricted(request, model))) for model in every)
        kept[_KEPT] = {table_name_of(model): members for model, members in found if members}
    tables: Mapping[str, Members] = kept[_KEPT]
    return tables


def _restricted(request: HttpRequest, model: Any) -> Iterator[tuple[str, Any]]:
    shape = find_shape(model)
    if not isinstance(shape, Shape) or not has_whole_table(model):
        return
    for relationship in associations_of(inspect(shape.mapped)):
        table: Any = relationship.mapper.local_table
        target = model_of_table(str(table.name))
        if target is not None and is_restricted(request, target):
            yield relationship.key, target


def keep_seen_members(request: HttpRequest, members: Members, entries: Iterable[Any]) -> None:
    """Take out of `entries` of one table the members that the user of `request` does not see."""
    read = [(entry, msgspec.json.decode(entry.changes)) for entry in entries]
    for name, model in members.items():
        links = [changes[name] for _, changes in read if name in changes]
        seen = seen_keys(request, model, {key for each in links for key in _keys_of(each)})
        for _, changes in read:
            if name in changes:
                changes[name] = _only(changes[name], seen)
    for entry, changes in read:
        kept = {name: each for name, each in changes.items() if each or name not in members}
        entry.changes = msgspec.json.encode(kept).decode()


def _keys_of(links: Mapping[str, Sequence[str]]) -> Iterator[str]:
    for keys in links.values():
        yield from keys


def _only(links: Mapping[str, Sequence[str]], seen: set[str]) -> Mapping[str, Sequence[str]]:
    found = {way: [key for key in keys if key in seen] for way, keys in links.items()}
    return {way: keys for way, keys in found.items() if keys}


def seen_keys(request: HttpRequest, model: Any, texts: Iterable[str]) -> set[str]:
    """Those of the keys, as the trail has them, whose rows are there and are seen."""
    keys: dict[Any, str] = {}
    for each in texts:
        with suppress(ValueError, TypeError, ArithmeticError, ValidationError):
            keys[model._meta.pk.to_python(each)] = each
    return {keys[key] for key in seen_among(request, model, keys) if key in keys}
