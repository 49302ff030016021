"""The list of airlines, broken."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from departures.models import Airline
from trivet_admin import ModelAdmin, register
from trivet_admin.mirror.registry import mirror

admin.site.unregister(mirror(Airline))


@register(Airline)
class BrokenAdmin(ModelAdmin):
    search_fields = ("name",)

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> Any:
        raise LookupError("the password is swordfish")
