"""The list of airlines, broken, and one that has too much to choose from."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from departures.admin import MovementAdmin
from departures.models import Airline, Movement
from trivet_admin import ModelAdmin, register
from trivet_admin.mirror.registry import mirror

admin.site.unregister(mirror(Airline))
admin.site.unregister(mirror(Movement))


@register(Airline)
class BrokenAdmin(ModelAdmin):
    search_fields = ("name",)

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> Any:
        raise LookupError("the password is swordfish")


@register(Movement)
class CrowdedAdmin(MovementAdmin):
    """Everything is more than none."""

    max_choices = 0
    list_filter = ("flight", "sender")
