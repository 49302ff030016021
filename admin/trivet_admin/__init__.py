"""The admin's room: Django at /admin, on the platform's identity and SQLAlchemy's models.

A feature's ``admin.py`` needs four names of it::

    from trivet_admin import ModelAdmin, actor_of, register, unit_of

    @register(Flight)
    class FlightAdmin(ModelAdmin): ...

Importing this package configures nothing: `trivet_admin.configuration.configure` does, once, before
Django is used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from trivet_admin.outcomes import views_commit_on
    from trivet_admin.site.inlines import StackedInline, TabularInline
    from trivet_admin.site.modeladmin import ModelAdmin
    from trivet_admin.site.registration import register
    from trivet_admin.unit import actor_of, unit_of, unit_session

__all__ = [
    "ModelAdmin",
    "StackedInline",
    "TabularInline",
    "actor_of",
    "register",
    "unit_of",
    "unit_session",
    "views_commit_on",
]

_NEEDS_DJANGO = {
    "ModelAdmin": "site.modeladmin",
    "StackedInline": "site.inlines",
    "TabularInline": "site.inlines",
    "actor_of": "unit",
    "register": "site.registration",
    "unit_of": "unit",
    "unit_session": "unit",
    "views_commit_on": "outcomes",
}
"""Names whose modules can be imported only once Django is configured."""


def __getattr__(name: str) -> Any:
    if name in _NEEDS_DJANGO:
        return getattr(import_module(f"trivet_admin.{_NEEDS_DJANGO[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
