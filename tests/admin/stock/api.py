"""Rows of any class, added, changed and removed as the body says: the other door to `stock`."""

import datetime as dt
import uuid
from decimal import Decimal
from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from tests.admin.stock import models
from trivet_api import Unit, public

router = APIRouter()


class SampleIn(BaseModel):
    """As everybody's first schema is: plain types, and no bound."""

    model_config = ConfigDict(val_json_bytes="base64", ser_json_bytes="base64")

    small: int | None = None
    whole: int | None = None
    big: int | None = None
    ratio: float | None = None
    single: float | None = None
    price: Decimal | None = None
    wide: Decimal | None = None
    word: str | None = None
    code: str | None = None
    notes: str | None = None
    flag: bool | None = None
    instant: dt.datetime | None = None
    day: dt.date | None = None
    time: dt.time | None = None
    span: dt.timedelta | None = None
    document: Any = None
    blob: bytes | None = None
    token: uuid.UUID | None = None
    colour: Any = None
    size: Any = "S"


class SampleOut(SampleIn):
    model_config = ConfigDict(from_attributes=True)

    id: int
    rate: Decimal


def add_sample(db: Session, _actor: Any, values: dict[str, Any]) -> models.Sample:
    sample = models.Sample(**values)
    db.add(sample)
    return sample


def change_sample(db: Session, _actor: Any, key: int, values: dict[str, Any]) -> models.Sample:
    sample = db.get_one(models.Sample, key)
    for name, value in values.items():
        setattr(sample, name, value)
    return sample


def raise_sample(db: Session, _actor: Any, key: int, name: str) -> models.Sample:
    sample = db.get_one(models.Sample, key)
    setattr(sample, name, getattr(models.Sample, name) + getattr(models.Sample, name))
    return sample


@router.post("/samples", dependencies=[public], status_code=201)
async def post_sample(body: SampleIn, unit: Unit) -> SampleOut:
    return SampleOut.model_validate(await unit.run(add_sample, body.model_dump()))


@router.patch("/samples/{key}", dependencies=[public])
async def patch_sample(key: int, body: SampleIn, unit: Unit) -> SampleOut:
    values = body.model_dump(exclude_unset=True)
    return SampleOut.model_validate(await unit.run(change_sample, key, values))


@router.post("/samples/{key}/doubled/{name}", dependencies=[public])
async def double(key: int, name: str, unit: Unit) -> SampleOut:
    return SampleOut.model_validate(await unit.run(raise_sample, key, name))


@router.post("/samples/count/{name}", dependencies=[public])
async def count_samples(name: str, body: SampleIn, unit: Unit) -> int:
    query = select(func.count()).where(getattr(models.Sample, name) == getattr(body, name))
    return await unit.run(lambda db, _actor: db.scalar(query) or 0)


def add_beds(db: Session, _actor: Any) -> models.Guest:
    guest = models.Guest(name="Eve", code="e1")
    db.add(guest)
    db.flush()
    guest.beds = models.Guest.beds + 2
    return guest


@router.post("/beds", dependencies=[public])
async def give_beds(unit: Unit) -> int:
    """No feed reads a guest, so nobody has loaded what the database worked out."""
    return (await unit.run(add_beds)).beds


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
