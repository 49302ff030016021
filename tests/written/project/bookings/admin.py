"""The pages of bookings in the admin."""

from trivet_admin import ModelAdmin, register

from bookings.models import Booking


@register(Booking)
class BookingAdmin(ModelAdmin):
    list_display = ("title", "seats", "serial", "price", "ratio", "is_paid")
    list_filter = ("is_paid", "state")
    search_fields = ("title", "note", "code")
    filter_horizontal = ("guests", "seen_by")
