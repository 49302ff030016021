"""Who sees which bookings, and which changes of them are allowed."""

from trivet import Identity
from trivet.rules import visible

from bookings.models import Booking


@visible(Booking)
def every_booking(_actor: Identity) -> bool:
    """Whoever may read bookings sees them all. To show fewer, return a condition, such as
    Booking.seen_by_id == actor.user_id."""
    return True
