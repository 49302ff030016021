"""What a mapped class is called in Django: its app, its name there, and its table in SQL."""

import re
from functools import lru_cache
from typing import Any

from django.apps import apps
from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, connections
from sqlalchemy import Table, inspect

from trivet.errors import ConfigurationError
from trivet.identity import User
from trivet.models.mapped import known_classes, our_mappers
from trivet.models.owners import owner_of
from trivet_admin.backends.whole_names import quoted
from trivet_admin.mirror.shape import find_shape

PLATFORM_LABEL = "trivet"
"""The app label of the platform's own mapped classes."""


def app_label_of(mapped: type[Any]) -> str:
    """The app label for the mirror of `mapped`: the feature that its module belongs to, or that
    brings it.

    Raises ConfigurationError for a class of a package that is no feature.
    """
    module = mapped.__module__
    if module.partition(".")[0] == "trivet":
        return PLATFORM_LABEL
    config = apps.get_containing_app_config(module)
    if config is not None:
        return config.label
    owner = owner_of(inspect(mapped))
    if owner is None:
        raise ConfigurationError(
            "no-feature",
            f"{mapped.__name__} belongs to {module}, which is no feature. Cure: name its package "
            "in TRIVET_FEATURES, or import it in the models.py of a feature.",
        )
    return owner


def label_of_class(mapped: type[Any]) -> str:
    """``app_label.Name`` for the mirror of `mapped`, or for Django's own model of a user."""
    if mapped is User:
        label: str = settings.AUTH_USER_MODEL
        return label
    return f"{app_label_of(mapped)}.{class_name_of(mapped)}"


def class_name_of(mapped: type[Any]) -> str:
    """The name of the mirror of `mapped` in Django: the class's own.

    Django has one name for each model of an app, whatever its module, and takes capitals for small
    letters. Of several classes that it would take for one, the first by its module keeps the name;
    each other has its table's behind it, so that it stays the same when classes come and go.
    """
    mapped_alike = _classes_by_name(known_classes()).get(_place(mapped), [mapped])
    name = mapped.__name__.strip("_") or mapped.__name__
    name = re.sub("_{2,}", "_", name)
    if mapped is mapped_alike[0] and not _is_djangos(mapped, name):
        return name
    table: Any = inspect(mapped).local_table
    behind = re.sub(r"\W", "_", getattr(table, "fullname", mapped.__module__))
    return re.sub("_{2,}", "_", f"{name}_{behind}").strip("_")


@lru_cache(maxsize=1)
def _classes_by_name(_known: tuple[int, int]) -> dict[tuple[str, str], list[type[Any]]]:
    """Our mapped classes by what Django knows them by, each list in the order of its modules."""
    found: dict[tuple[str, str], list[type[Any]]] = {}
    for mapper in our_mappers():
        try:
            found.setdefault(_place(mapper.class_), []).append(mapper.class_)
        except ConfigurationError:
            continue  # of no feature, so it has no mirror
    for alike in found.values():
        alike.sort(key=lambda each: (each.__module__.count("."), each.__module__, each.__name__))
    return found


def _place(mapped: type[Any]) -> tuple[str, str]:
    return app_label_of(mapped), mapped.__name__.lower()


def _is_djangos(mapped: type[Any], name: str) -> bool:
    """Whether the app has a model of Django's own by this name."""
    model = apps.all_models[app_label_of(mapped)].get(name.lower())
    return model is not None and find_shape(model) is None


def db_table_of(table: Table, mapped: type[Any]) -> str:
    """The table as Django names it in SQL. Raises ConfigurationError where it could only read
    another table of the same name."""
    if table.schema is None:
        return str(table.name)
    vendor = connections[DEFAULT_DB_ALIAS].vendor
    if vendor != "postgresql":
        raise ConfigurationError(
            "unsupported-model",
            f"The admin cannot show {mapped.__name__}: its table {table.name} is in the schema "
            f"{table.schema}, and this database ({vendor}) has no schemas. Cure: run it on "
            f"PostgreSQL, or leave schema={table.schema!r} out.",
        )
    # Django takes a name in quotes as it stands.
    return ".".join(quoted(each) for each in (table.schema, table.name))
