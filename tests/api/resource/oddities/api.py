"""A resource of each class."""

from fastapi import APIRouter

from tests.api.resource.oddities.models import (
    Alarm,
    Animal,
    Cat,
    Day,
    Figure,
    Hero,
    Host,
    Offer,
    Page,
    Place,
    Planet,
    Price,
    SeaLion,
    Shelf,
    Slot,
    Stamped,
    Star,
    Word,
    Worded,
)
from trivet_api import authenticated, resource

router = APIRouter()
for each in (
    Slot,
    Animal,
    SeaLion,
    Host,
    Day,
    Cat,
    Place,
    Shelf,
    Offer,
    Stamped,
    Worded,
    Word,
    Hero,
    Alarm,
):
    router.include_router(resource(each, policy=authenticated))
router.include_router(resource(Price, policy=authenticated, upsert="oddities_price_sku_region_key"))
router.include_router(resource(Page, policy=authenticated, members=("words",)))
router.include_router(
    resource(Figure, policy=authenticated, members=("stars",), filters=("*", "stars.id"))
)
router.include_router(
    resource(Planet, policy=authenticated, as_text=("star_id",), expand=("star.planets",))
)
router.include_router(resource(Star, policy=authenticated, as_text=("id",), expand=("planets",)))
