"""The pages of members in the admin."""

from trivet_admin import ModelAdmin, register

from members.models import Member, Visit


@register(Member)
class MemberAdmin(ModelAdmin):
    list_display = ("name", "level", "joined_on")
    list_filter = ("level",)
    search_fields = ("name",)


@register(Visit)
class VisitAdmin(ModelAdmin):
    list_display = ("at", "guest", "host")
