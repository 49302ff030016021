"""A resource of each class."""

from fastapi import APIRouter

from tests.api.resource.oddities.models import (
    Animal,
    Cat,
    Day,
    Hero,
    Host,
    Offer,
    Place,
    Price,
    SeaLion,
    Shelf,
    Slot,
    Stamped,
    Worded,
)
from trivet_api import authenticated, resource

router = APIRouter()
for each in (Slot, Animal, SeaLion, Host, Day, Cat, Place, Shelf, Offer, Stamped, Worded, Hero):
    router.include_router(resource(each, policy=authenticated))
router.include_router(resource(Price, policy=authenticated, upsert="oddities_price_sku_region_key"))
