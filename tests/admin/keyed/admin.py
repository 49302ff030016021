from typing import Any

from tests.admin.keyed.models import (
    ODD,
    Club,
    Crate,
    Label,
    Membership,
    Nail,
    Pack,
    Packing,
    Parcel,
    Person,
    Place,
    Remark,
    Ware,
    Watch,
)
from trivet_admin import ModelAdmin, TabularInline, register


class PackingInline(TabularInline):
    model = Packing
    extra = 1


@register(Parcel)
class ParcelAdmin(ModelAdmin):
    list_filter = ("packings",)
    inlines = (PackingInline,)


@register(Ware)
class WareAdmin(ModelAdmin):
    list_display = ("code", "title", "weather")


@register(Person, Club)
class PlainAdmin(ModelAdmin):
    """As Django makes a form by itself."""


@register(Packing)
class PackingAdmin(ModelAdmin):
    list_display = ("pk", "parcel", "ware", "pieces")
    list_editable = ("pieces",)
    list_filter = ("parcel", "ware")
    search_fields = ("note", "ware__code", "parcel__packings__note")
    actions = ("double",)

    def double(self, _request: Any, packings: Any) -> None:
        for packing in packings:
            packing.pieces *= 2
            packing.save()


@register(Remark)
class RemarkAdmin(ModelAdmin):
    list_display = ("text", "packing")


@register(Label, Pack, Place, Crate, Nail)
class WholeAdmin(ModelAdmin):
    """As Django makes a form by itself."""


@register(Watch, Membership)
class WatchAdmin(ModelAdmin):
    list_display = ("__str__",)


@register(*ODD)
class OddAdmin(ModelAdmin):
    list_display = ("id", "name")
    list_editable = ("name",)
    list_display_links = ("id",)
