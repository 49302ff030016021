"""Registering mapped classes with the admin."""

from collections.abc import Callable
from typing import Any, TypeVar

from django.contrib import admin

from trivet_admin.mirror.registry import mirror

A = TypeVar("A", bound="type[admin.ModelAdmin[Any]]")


def register(*mapped: type[object]) -> Callable[[A], A]:
    """Show mapped classes in the admin, with the decorated `ModelAdmin`::

        @register(Flight)
        class FlightAdmin(ModelAdmin):
            list_display = ("designator", "gate")

    Raises ConfigurationError, naming class, column and cure, for a class that Django's admin
    cannot edit: a primary key of several columns, or a type that Django does not know.
    """

    def decorate(model_admin: A) -> A:
        admin.site.register([mirror(each) for each in mapped], model_admin)
        return model_admin

    return decorate
