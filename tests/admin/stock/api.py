"""Rows of any class, added, changed and removed as the body says: the other door to `stock`."""

from typing import Any

from fastapi import APIRouter
from sqlalchemy.orm import Session

from tests.admin.stock import models
from trivet_api import Unit, public

router = APIRouter()


@router.post("/bug", dependencies=[public])
async def bug(unit: Unit) -> None:
    raise TypeError("a bug of an endpoint")


@router.post("/{name}", dependencies=[public], status_code=201)
async def add(name: str, body: dict[str, Any], unit: Unit) -> None:
    await unit.run(lambda db, _actor: db.add(getattr(models, name)(**body)))


@router.post("/{name}/several", dependencies=[public], status_code=201)
async def add_several(name: str, body: list[dict[str, Any]], unit: Unit) -> None:
    await unit.run(lambda db, _actor: db.add_all(getattr(models, name)(**row) for row in body))


@router.patch("/{name}/{key}", dependencies=[public])
async def change(name: str, key: int | str, body: dict[str, Any], unit: Unit) -> None:
    def work(db: Session, _actor: Any) -> None:
        row = db.get_one(getattr(models, name), key)
        for attribute, value in body.items():
            setattr(row, attribute, value)

    await unit.run(work)


@router.delete("/{name}/{key}", dependencies=[public])
async def remove(name: str, key: int | str, unit: Unit) -> None:
    await unit.run(lambda db, _actor: db.delete(db.get_one(getattr(models, name), key)))
