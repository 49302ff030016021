"""Registering mapped classes with the admin."""

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from django.contrib import admin
from django.db import models
from sqlalchemy import inspect
from sqlalchemy.orm import configure_mappers

from trivet.errors import ConfigurationError
from trivet_admin.mirror.registry import mirror

A = TypeVar("A", bound="type[admin.ModelAdmin[Any]]")


def register(*mapped: type[object]) -> Callable[[A], A]:
    """Show mapped classes in the admin, with the decorated `ModelAdmin`::

        @register(Flight)
        class FlightAdmin(ModelAdmin):
            list_display = ("designator", "gate")

    Args:
        *mapped: The classes that SQLAlchemy maps, one or more.

    Returns:
        A decorator, which registers the `ModelAdmin` and returns it unchanged.

    Raises:
        ConfigurationError: A class is missing or not mapped, or Django's admin cannot edit it:
            Django does not know the type of a column, or one of them refers to a class of which
            that is true. The error names class, column and cure.
    """
    if not mapped:
        raise ConfigurationError("register", "register() names no class: write @register(Flight).")
    for each in mapped:
        _require_mapped(each)

    def decorate(model_admin: A) -> A:
        admin.site.register([mirror(each) for each in mapped], model_admin)
        return model_admin

    return decorate


def is_mapped(thing: object) -> bool:
    """Whether `thing` is a class of SQLAlchemy's, and not one of Django's."""
    if not isinstance(thing, type):
        return False
    if inspect(thing, raiseerr=False) is None and hasattr(thing, "registry"):
        configure_mappers()  # a base over concrete classes is mapped as late as that
    return inspect(thing, raiseerr=False) is not None


def _require_mapped(thing: object) -> None:
    if is_mapped(thing):
        return
    name = getattr(thing, "__name__", repr(thing))
    if isinstance(thing, type) and issubclass(thing, models.Model):
        cure = f"it is a model of Django's, so write @admin.register({name}), with Django's admin"
    elif isinstance(thing, type) and issubclass(thing, admin.ModelAdmin):
        cure = "put the mapped class in the brackets, and the ModelAdmin below: @register(Flight)"
    else:
        cure = f"derive it from trivet.Model and give it a __tablename__: class {name}(Model)"
    raise ConfigurationError(
        "register", f"register({name}): {name} is no mapped class. Cure: {cure}."
    )


def require_models_of_django(given: Any) -> None:
    """Raise ConfigurationError if a mapped class stands where Django wants a model of its own,
    as in Django's own ``@admin.register(Flight)``."""
    for each in given if isinstance(given, Iterable) else (given,):
        if is_mapped(each):
            raise ConfigurationError(
                "register",
                f"Django's admin.register got the mapped class {each.__name__}. Cure: write "
                f"@register({each.__name__}), with register and ModelAdmin of trivet_admin.",
            )
