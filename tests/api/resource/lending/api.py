"""Resources with all that there is: relations, members, an upsert, and one that wants If-Match."""

from fastapi import APIRouter

from tests.api.resource.lending.models import Copy, Theme, Volume, Writer
from trivet_api import authenticated, resource

router = APIRouter()
router.include_router(
    resource(
        Writer,
        policy=authenticated,
        without=["bulk"],
        expand=("volumes.themes",),
        search=("name",),
        upsert="uq_lending_writer_name",
    )
)
router.include_router(resource(Theme, policy=authenticated, operations=["list", "read", "create"]))
router.include_router(
    resource(
        Volume,
        policy=authenticated,
        filters=("*", "writer.name", "themes.id"),
        expand=("writer", "themes"),
        members=("themes",),
        search=("title", "isbn"),
        upsert="uq_lending_volume_isbn",
        page_max=50,
    )
)
router.include_router(resource(Copy, policy=authenticated, expand=("volume",), require_match=True))
