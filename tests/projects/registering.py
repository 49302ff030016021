"""The admin file of a project's feature: every class of its bases that can be registered, is.

A class that cannot is refused by `register` with its reason, which the page repeats.
"""

from typing import Any

from sqlalchemy import Enum, String, inspect

from tests.projects.classes import mapped_classes
from trivet.errors import ConfigurationError
from trivet_admin import ModelAdmin, register

MOST_COLUMNS = 8
REFUSED: dict[type[Any], str] = {}
"""The classes that `register` refused, each with what it said."""


def register_each(package: str, admin: str) -> None:
    """Register every class of a package, with its columns in the list and its texts searched.

    Args:
        package: The package of the classes.
        admin: The module that is said to register them, a feature's own.
    """
    for mapped in mapped_classes(package):
        mapper = inspect(mapped)
        keys = [attribute.key for attribute in mapper.column_attrs]
        texts = [key for key in keys if _is_text(mapper.columns[key])]
        options = {
            "__module__": admin,
            "list_display": keys[:MOST_COLUMNS],
            "search_fields": texts[:3],
        }
        try:
            register(mapped)(type(f"{mapped.__name__}Admin", (ModelAdmin,), options))
        except ConfigurationError as error:
            REFUSED[mapped] = error.detail


def _is_text(column: Any) -> bool:
    return isinstance(column.type, String) and not (
        isinstance(column.type, Enum) or column.foreign_keys
    )
