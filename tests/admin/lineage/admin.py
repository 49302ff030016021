from tests.admin.lineage.models import (
    Card,
    Closure,
    Depot,
    EastDepot,
    Entry,
    Exhibit,
    Fire,
    FreeEntry,
    Fresco,
    Gallery,
    GalleryCount,
    HeavyThing,
    Keyword,
    Lending,
    Notice,
    Painting,
    RainGauge,
    RentBook,
    Room,
    RoomName,
    Sculpture,
    Vault,
    WaterMeter,
    Welcome,
    WestDepot,
)
from trivet_admin import ModelAdmin, TabularInline, register


class RentInline(TabularInline):
    """Of a table that is only read, in a form that is not."""

    model = RentBook


class PaintingInline(TabularInline):
    """Of a class of which most columns are those of its base."""

    model = Painting
    fk_name = "gallery"
    fields = ("title", "technique", "sort")
    extra = 1


@register(Gallery)
class GalleryAdmin(ModelAdmin):
    inlines = (RentInline, PaintingInline)


@register(Keyword, Lending, Room, Vault, EastDepot, WestDepot, RainGauge)
class PlainAdmin(ModelAdmin):
    pass


@register(Exhibit)
class ExhibitAdmin(ModelAdmin):
    list_display = ("title", "gallery")
    list_filter = ("gallery",)
    search_fields = ("title", "gallery__name")


class LendingInline(TabularInline):
    model = Lending
    fk_name = "painting"
    extra = 0


@register(Painting)
class PaintingAdmin(ModelAdmin):
    list_display = ("title", "technique", "gallery")
    list_editable = ("technique",)
    list_filter = ("technique", "gallery", "keywords")
    search_fields = ("title", "technique", "copy_of__title")
    inlines = (LendingInline,)


@register(Fresco)
class FrescoAdmin(ModelAdmin):
    list_display = ("title", "wall", "shout", "technique")
    list_filter = ("technique", "copy_of__gallery")
    search_fields = ("wall", "title", "gallery__name")
    ordering = ("-wall",)


@register(Sculpture)
class SculptureAdmin(ModelAdmin):
    list_display = ("title", "weight", "sort")
    fields = ("title", "weight", "sort", "gallery", "keywords")


@register(Notice, Closure, Fire, Welcome)
class NoticeAdmin(ModelAdmin):
    list_display = ("words",)
    search_fields = ("words",)


@register(Entry, FreeEntry)
class EntryAdmin(ModelAdmin):
    list_display = ("price",)


@register(GalleryCount)
class GalleryCountAdmin(ModelAdmin):
    list_display = ("gallery", "number")
    list_filter = ("gallery",)
    search_fields = ("gallery__name",)


@register(RoomName, Depot)
class NamedAdmin(ModelAdmin):
    list_display = ("id", "name")
    search_fields = ("name",)


@register(HeavyThing)
class HeavyThingAdmin(ModelAdmin):
    list_display = ("title", "gallery_id", "sure")
    list_filter = ("gallery_id",)
    search_fields = ("title",)


@register(Card)
class CardAdmin(ModelAdmin):
    list_display = ("title", "weight")
    list_editable = ("weight",)


@register(RentBook, WaterMeter)
class ForeignAdmin(ModelAdmin):
    pass
