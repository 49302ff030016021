"""The shop in the admin: how its rows are listed, found and edited."""

from typing import Any

from django.contrib import admin

from chinook.tables import (
    Album,
    Artist,
    Customer,
    Employee,
    Genre,
    Invoice,
    InvoiceLine,
    MediaType,
    Playlist,
    PlaylistTrack,
    Track,
)
from trivet_admin import ModelAdmin, TabularInline, register


class AlbumInline(TabularInline):
    """The albums of an artist."""

    model = Album
    extra = 1
    show_change_link = True


class LineInline(TabularInline):
    """The lines of an invoice."""

    model = InvoiceLine
    extra = 0


@register(Artist)
class ArtistAdmin(ModelAdmin):
    """Artists, with their albums in the form."""

    search_fields = ("name",)
    ordering = ("name",)
    inlines = (AlbumInline,)


@register(Album)
class AlbumAdmin(ModelAdmin):
    """Albums, found by title or artist."""

    list_display = ("title", "artist")
    list_select_related = ("artist",)
    search_fields = ("title", "artist__name")
    ordering = ("title",)


@register(Track)
class TrackAdmin(ModelAdmin):
    """Tracks; the price is changed in the list."""

    list_display = ("name", "album", "genre", "length", "unit_price")
    list_editable = ("unit_price",)
    list_filter = ("genre", "media_type", "unit_price")
    list_select_related = ("album", "genre")
    search_fields = ("name", "composer", "album__title", "album__artist__name")
    ordering = ("name",)

    @admin.display(ordering="milliseconds")
    def length(self, track: Any) -> str:
        minutes, seconds = divmod(track.milliseconds // 1000, 60)
        return f"{minutes}:{seconds:02}"


@register(Genre, MediaType, Playlist)
class NamedAdmin(ModelAdmin):
    """What has a name and nothing else. Without a search they are chosen from a list."""

    ordering = ("name",)


@register(PlaylistTrack)
class PlaylistTrackAdmin(ModelAdmin):
    """What is on which playlist. A playlist has thousands of tracks: too many for its form."""

    list_display = ("track", "playlist")
    list_filter = ("playlist",)
    list_select_related = ("track", "playlist")
    search_fields = ("track__name",)


@register(Employee)
class EmployeeAdmin(ModelAdmin):
    """Employees, by whom they report to."""

    list_display = ("last_name", "first_name", "title", "manager", "hire_date")
    list_filter = ("title",)
    list_select_related = ("manager",)
    search_fields = ("last_name", "first_name", "email")
    ordering = ("last_name", "first_name")


@register(Customer)
class CustomerAdmin(ModelAdmin):
    """Customers, by country and by whoever looks after them."""

    list_display = ("last_name", "first_name", "company", "country", "support_rep")
    list_filter = ("support_rep", "country")
    list_select_related = ("support_rep",)
    search_fields = ("last_name", "first_name", "company", "email")
    ordering = ("last_name", "first_name")


@register(Invoice)
class InvoiceAdmin(ModelAdmin):
    """Invoices by date, with their lines in the form."""

    list_display = ("invoice_id", "invoice_date", "customer", "billing_country", "total")
    list_filter = ("billing_country",)
    list_select_related = ("customer",)
    date_hierarchy = "invoice_date"
    search_fields = ("=invoice_id", "customer__last_name", "customer__email")
    ordering = ("-invoice_date", "-invoice_id")
    inlines = (LineInline,)
