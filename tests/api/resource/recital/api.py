"""Poems are for everybody, poets for those who are logged in, their telephones for staff."""

from fastapi import APIRouter

from tests.api.resource.recital.models import Draft, Poem, Poet
from trivet_api import authenticated, public, resource, staff

READ = ("list", "read")

router = APIRouter()
router.include_router(
    resource(
        Poem,
        policy=public,
        operations=READ,
        filters=["*", "poet.name", "poet.phone", "critic.name", "critic.poet.name"],
        expand=["poet", "critic.poet"],
    )
)
router.include_router(resource(Poet, policy=authenticated, operations=READ, exclude=["phone"]))

desk = APIRouter(prefix="/desk", dependencies=[staff])
desk.include_router(resource(Poet, policy=public, operations=READ))
router.include_router(desk)

router.include_router(
    resource(Draft, operations=READ, filters=["critic.name"], expand=["critic.poet"])
)
