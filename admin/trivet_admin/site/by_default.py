"""Pages for classes that nobody registers, because they were not written for Trivet.

A feature with an ``admin.py`` shows what that registers, and nothing else. Without one, the classes
that it takes from elsewhere have a plain page each: those of another package, and those on another
base than `Model`. What the admin cannot show is left out, because nobody asked for it by name, and
`trivet check` says why.
"""

import re
from collections.abc import Iterator
from typing import Any

from django.apps import AppConfig, apps
from django.contrib import admin
from django.utils.module_loading import module_has_submodule
from sqlalchemy import ARRAY, JSON, LargeBinary, String, Text
from sqlalchemy.orm import Mapper
from sqlalchemy.types import TypeDecorator

from trivet.errors import ConfigurationError
from trivet.models.base import Model
from trivet.models.mapped import PLATFORM, is_inside, our_mappers
from trivet.models.owners import owner_of
from trivet_admin.mirror.model import MirrorModel
from trivet_admin.mirror.registry import mirror
from trivet_admin.mirror.shape import shape_of
from trivet_admin.site.modeladmin import ModelAdmin

COLUMNS = 8
"""As many columns a list shows at most."""
SEARCHED = 3
"""As many columns a search looks into: each is read for every row."""
_SECRET = re.compile("passw|secret|token")


def register_the_rest() -> None:
    """Register every class that has a page by default and none yet."""
    for mapper in _shown_by_default():
        try:
            model = mirror(mapper.class_)
        except ConfigurationError:
            continue  # `find_classes_left_out` says it
        if not admin.site.is_registered(model):
            admin.site.register(model, _page_of(mapper, model))


def find_classes_left_out() -> Iterator[str]:
    """A sentence for each class that would have a page by default, if the admin could show it."""
    for mapper in _shown_by_default():
        try:
            mirror(mapper.class_)
        except ConfigurationError as error:
            yield error.detail


def _shown_by_default() -> list[Mapper[Any]]:
    found = [each for each in our_mappers() if _has_page(each)]
    return sorted(found, key=lambda each: (each.class_.__module__, each.class_.__name__))


def _has_page(mapper: Mapper[Any]) -> bool:
    owner = owner_of(mapper)
    if owner in (None, PLATFORM):
        return False
    app = next((each for each in apps.get_app_configs() if each.label == owner), None)
    if app is None or module_has_submodule(app.module, "admin"):
        return False
    return _is_taken(mapper, app)


def _is_taken(mapper: Mapper[Any], app: AppConfig) -> bool:
    is_own = is_inside(mapper.class_.__module__, app.name)
    return not is_own or mapper.registry is not Model.registry


def _page_of(mapper: Mapper[Any], model: type[MirrorModel]) -> type[ModelAdmin]:
    """A list of the columns that say something in a line, and a search in those that are texts."""
    shape = shape_of(model)
    listed = [
        (field, column)
        for field in model._meta.concrete_fields
        if _is_short(column := mapper.columns[shape.key_of(field)])
    ][:COLUMNS]
    texts = [f.name for f, c in listed if isinstance(c.type, String) and not f.is_relation]
    options = {
        "list_display": tuple(field.name for field, _ in listed),
        "search_fields": tuple(texts[:SEARCHED]),
        "__module__": __name__,
    }
    return type(f"{model.__name__}Admin", (ModelAdmin,), options)


def _is_short(column: Any) -> bool:
    """Whether a column's values fit into a line of a list, and may be seen there."""
    kind = column.type
    while isinstance(kind, TypeDecorator):
        kind = kind.impl_instance
    return not isinstance(kind, Text | LargeBinary | JSON | ARRAY) and not _SECRET.search(
        column.name.lower()
    )
