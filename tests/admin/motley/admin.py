from tests.admin.motley.models import Box, ByText, ByTime, ByToken, Hero, Note, Pipe, Shelf
from trivet_admin import ModelAdmin, register


@register(Pipe)
class PipeAdmin(ModelAdmin):
    list_display = ("label", "filled", "placed", "next")
    list_filter = ("filled", "next")
    search_fields = ("label", "placed")
    ordering = ("-placed",)


@register(ByTime, ByToken, ByText)
class VersionedAdmin(ModelAdmin):
    list_display = ("id", "name")
    list_editable = ("name",)


register(Shelf, Box, Note, Hero)(ModelAdmin)
