"""Live data: each change of bookings, for those who may see the row."""

from trivet.events import live

from bookings.models import Booking

live(Booking)
