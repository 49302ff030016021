from tests.admin.borrowed.billing import models as billing
from tests.admin.borrowed.models import (
    BILL,
    Actor,
    Artist,
    Banner,
    Bill,
    Booking,
    Costume,
    Debt,
    Drawer,
    Founder,
    Hall,
    Play,
    Seat,
    Tour,
    Troupe,
    Work,
)
from trivet_admin import ModelAdmin, TabularInline, register


@register(Artist)
class ArtistAdmin(ModelAdmin):
    list_display = ("name",)
    list_filter = ("objects__full_clean", "refresh_from_db__of__two")
    search_fields = ("name", "objects__save__name", "refresh_from_db__DoesNotExist")


@register(Bill, BILL, billing.Bill)
@register(Troupe, Founder, Actor, Costume, Banner, Booking, Debt)
class PlainAdmin(ModelAdmin):
    list_display = ("name",)
    search_fields = ("name",)


@register(Work)
class WorkAdmin(ModelAdmin):
    list_display = ("full_clean", "pk", "DoesNotExist", "of__two", "_state", "maker", "both")
    list_editable = ("of__two",)
    list_filter = ("full_clean", ("DoesNotExist"), "save", "by_")
    search_fields = ("full_clean", "=of__two", "save__name")
    ordering = ("-pk",)
    fieldsets = (
        (None, {"fields": ("pk", ("full_clean", "DoesNotExist"), "of__two", "_state")}),
        ("save", {"fields": ("save", "delete_id", "maker", "maker_id", "buyer", "buyer_id")}),
        ("more", {"fields": ("resolve_expression", "get_absolute_url", "by_", "check_")}),
    )
    filter_horizontal = ("by_",)


class SeatInline(TabularInline):
    model = Seat
    extra = 1


@register(Hall)
class HallAdmin(ModelAdmin):
    inlines = (SeatInline,)


SAID = (
    *("loud", "seats", "title", "hall_name", "hall_seats"),
    *("hours", "lasts", "words", "shout", "suffix", "seat_names"),
)


@register(Play)
class PlayAdmin(ModelAdmin):
    list_display = ("clean", *SAID)
    readonly_fields = SAID
    ordering = ("id",)


@register(Seat, Tour)
class WholeAdmin(ModelAdmin):
    """As Django makes a form by itself."""


def register_postgres() -> None:
    """For a database that has schemas; a start on another one would refuse it."""

    @register(Drawer)
    class DrawerAdmin(ModelAdmin):
        list_display = ("name", "inside")
        list_filter = ("inside",)
