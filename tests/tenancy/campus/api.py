from collections.abc import Sequence

from fastapi import APIRouter
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from tests.tenancy.campus.models import Academy, Handout, Lecture, Seminar
from trivet import Identity
from trivet_api import SingleQuery, Unit, public, resource

router = APIRouter()
router.include_router(resource(Academy, policy=public, operations=["list", "read", "create"]))
router.include_router(
    resource(
        Lecture,
        policy=public,
        expand=("handouts", "academy"),
        filters=("id", "title", "academy_id"),
        search=("title",),
    )
)
router.include_router(resource(Seminar, policy=public))
router.include_router(resource(Handout, policy=public, expand=("lecture",)))


def forgetful(db: Session, _actor: Identity) -> Sequence[int]:
    """It asks no rule."""
    return db.scalars(select(Handout.id).order_by(Handout.id)).all()


def count_all(db: Session, _actor: Identity) -> int:
    return db.scalar(select(func.count()).select_from(Lecture)) or 0


@router.get("/forgetful", dependencies=[public])
async def list_forgetfully(unit: Unit) -> Sequence[int]:
    return await unit.run(forgetful)


@router.get("/forgetful-once", dependencies=[public])
async def list_forgetfully_once(unit: SingleQuery) -> Sequence[int]:
    return await unit.run(forgetful)


@router.post("/forgetful", dependencies=[public])
async def count_forgetfully(unit: Unit) -> int:
    return await unit.run(count_all)
