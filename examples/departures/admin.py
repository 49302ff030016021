"""The departures in the admin: what staff see and do.

Every rule stands in the services and the models; here is only how things look. Every time is
UTC and says so, in lists, forms and headings alike; what the airport's own clocks show at a
flight's departure stands beside it, with their zone.
"""

from typing import Any
from zoneinfo import ZoneInfo

from django.contrib import admin, messages
from django.db.models import CharField, Value
from django.db.models.functions import Cast, Concat, LPad
from django.http import HttpRequest

from departures import services
from departures.models import Aircraft, Airline, Airport, Flight, Movement
from trivet_admin import ModelAdmin, register, unit_of

_FOUR_DIGITS = LPad(Cast("number", CharField()), 4, Value("0"))
"""So that B6 44 stands before B6 1018."""


@register(Flight)
class FlightAdmin(ModelAdmin):
    """Flights: gates are assigned in the list, several flights cancelled at once."""

    list_display = (
        "flight",
        "origin_code",
        "destination",
        "scheduled_departure",
        "status",
        "delay",
        "gate",
    )
    list_editable = ("gate",)
    list_filter = (
        ("origin", admin.RelatedOnlyFieldListFilter),
        "status",
        ("carrier", admin.RelatedOnlyFieldListFilter),
    )
    list_select_related = ("origin", "dest")
    list_per_page = 50
    date_hierarchy = "scheduled_departure"
    ordering = ("scheduled_departure", "id")
    # "B6 1018", "Boston", "JFK", "N304JB": words are searched one by one.
    search_fields = (
        "=carrier__code",
        "^number",
        "=origin__code",
        "=dest__code",
        "dest__city",
        "=aircraft__tail_number",
    )
    search_help_text = "Airline and number, airport, city or tail number, such as: B6 1018 Boston"
    autocomplete_fields = ("carrier", "origin", "dest", "aircraft")
    readonly_fields = ("local_departure", "reported_at")
    fieldsets = (
        (None, {"fields": ("carrier", "number", "origin", "dest", "aircraft")}),
        ("Schedule", {"fields": ("scheduled_departure", "local_departure", "scheduled_arrival")}),
        ("At the airport", {"fields": ("status", "delay_minutes", "gate")}),
        (
            "What was reported",
            {"fields": ("actual_departure", "airborne_at", "actual_arrival", "reported_at")},
        ),
    )
    actions = ("cancel_flights",)

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **options: Any) -> Any:
        field = super().formfield_for_dbfield(db_field, request, **options)
        if field is not None and db_field.name == "gate":
            # Django's class makes it as wide as a name, and the list wider than the screen.
            field.widget.attrs.update({"class": "", "size": 5})
        return field

    @admin.display(description="flight", ordering=Concat("carrier", _FOUR_DIGITS))
    def flight(self, flight: Any) -> str:
        return f"{flight.carrier_id}\N{NO-BREAK SPACE}{flight.number}"

    @admin.display(description="from", ordering="origin")
    def origin_code(self, flight: Any) -> str:
        return str(flight.origin_id)

    @admin.display(description="to", ordering="dest__city")
    def destination(self, flight: Any) -> str:
        return str(flight.dest.city)

    @admin.display(description="by the airport's clocks")
    def local_departure(self, flight: Any) -> str:
        if flight.pk is None:
            return "shown once the flight is saved"
        zone = flight.origin.time_zone
        if zone is None:
            return f"the time zone of {flight.origin_id} is not known"
        return f"{flight.scheduled_departure.astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M %Z}"

    @admin.display(description="delay", ordering="delay_minutes")
    def delay(self, flight: Any) -> str:
        return f"{flight.delay_minutes:+d}\N{NO-BREAK SPACE}min" if flight.delay_minutes else ""

    @admin.action(description="Cancel selected flights", permissions=["change"])
    def cancel_flights(self, request: HttpRequest, queryset: Any) -> None:
        """Cancel them all, or, if one has taken off, none."""
        ids = list(queryset.values_list("pk", flat=True))
        changed = unit_of(request).run(services.cancel_flights, ids)
        told = f"{len(changed)} cancelled"
        if len(changed) < len(ids):
            told += f", {len(ids) - len(changed)} had been cancelled before"
        self.message_user(request, f"{told}.", messages.SUCCESS)


@register(Airline)
class AirlineAdmin(ModelAdmin):
    """Airlines, found by code or name."""

    list_display = ("code", "name")
    search_fields = ("=code", "name")
    ordering = ("code",)


@register(Airport)
class AirportAdmin(ModelAdmin):
    """Airports; those without a time zone stand out in the filter."""

    list_display = ("code", "city", "name", "time_zone")
    list_filter = (("time_zone", admin.AllValuesFieldListFilter),)
    search_fields = ("=code", "city", "name")
    ordering = ("code",)


@register(Aircraft)
class AircraftAdmin(ModelAdmin):
    """Aircraft, found by tail number or model."""

    list_display = ("tail_number", "manufacturer", "model", "year", "seats")
    list_filter = ("manufacturer",)
    search_fields = ("^tail_number", "^model")
    ordering = ("tail_number",)


@register(Movement)
class MovementAdmin(ModelAdmin):
    """The reports of airlines: a record, which nobody adds to or changes here."""

    list_display = ("at", "kind", "flight", "minutes", "sender", "reference")
    list_filter = ("kind", "sender")
    list_select_related = ("flight",)
    search_fields = ("=reference", "^flight__number")
    date_hierarchy = "at"
    ordering = ("-id",)

    def has_add_permission(self, _request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, _request: HttpRequest, _obj: Any = None) -> bool:
        return False
