"""A resource of each class."""

from fastapi import APIRouter

from tests.api.resource.oddities.models import Cat, Host, Place, Shelf, Slot
from trivet_api import authenticated, resource

router = APIRouter()
for each in (Slot, Host, Cat, Place, Shelf):
    router.include_router(resource(each, policy=authenticated))
