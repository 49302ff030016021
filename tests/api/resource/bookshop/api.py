"""Three resources: with all that there is, with services and an endpoint of our own, and one that
demands to be told what is changed."""

from typing import Any

from fastapi import APIRouter
from sqlalchemy.orm import Session

from tests.api.resource.bookshop.models import Label, Novel, Shelf
from trivet import Conflict, Identity
from trivet_api import authenticated, public, resource, staff

router = APIRouter()


def stick_label(db: Session, actor: Identity, values: dict[str, Any]) -> Label:
    label = Label(word=f"{values['word']} by {actor.username}")
    db.add(label)
    return label


def tear_off(_db: Session, _actor: Identity, key: int) -> None:
    raise Conflict("glued", f"Label {key} does not come off.")


router.include_router(
    resource(
        Novel,
        policy=staff,
        read_policy=public,
        expand=("labels",),
        members=("labels",),
        search=("title",),
        upsert="uq_novel_isbn",
    )
)
router.include_router(
    resource(Label, policy=authenticated, without=["list"], create=stick_label, delete=tear_off)
)
router.include_router(
    resource(Shelf, path="/places", operations=["read", "create", "update", "delete"],
             policy=authenticated, require_match=True)
)  # fmt: skip


@router.get("/labels", dependencies=[public])
async def list_labels() -> list[str]:
    """An endpoint of our own, in the place of one that is left out."""
    return ["ours"]
