"""The API of members, at /api/members/members."""

from fastapi import APIRouter
from trivet_api import resource

from members.models import Member, Visit

router = APIRouter()
router.include_router(resource(Member))
router.include_router(resource(Visit, expand=("guest", "host")))
