"""The API of bookings, at /api/bookings/bookings."""

from fastapi import APIRouter
from trivet_api import resource

from bookings.models import Booking

router = APIRouter()
router.include_router(
    resource(
        Booking,
        expand=("member", "owner", "parent", "guests", "seen_by"),
        members=("guests", "seen_by"),
    ),
)
