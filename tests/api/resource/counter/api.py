"""A resource behind a dependency that writes in the same unit."""

from fastapi import APIRouter, Depends
from sqlalchemy.orm import Session

from tests.api.resource.bookshop.models import Label, Shelf
from trivet import Identity
from trivet_api import Unit, authenticated, resource


def leave_label(db: Session, actor: Identity) -> None:
    db.add(Label(word=f"left by {actor.username}"))


async def leaves_label(unit: Unit) -> None:
    await unit.run(leave_label)


router = APIRouter(dependencies=[Depends(leaves_label)])
router.include_router(resource(Shelf, path="/places", operations=["create"], policy=authenticated))
