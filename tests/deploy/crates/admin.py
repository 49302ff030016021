"""Crates in the admin, as anybody would show them."""

from tests.deploy.crates.models import Crate
from trivet_admin import ModelAdmin, register


@register(Crate)
class CrateAdmin(ModelAdmin):
    list_display = ("dock", "label")
