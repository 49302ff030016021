"""Ferries are launched and seen by anyone."""

import os

from fastapi import APIRouter
from pydantic import BaseModel

from tests.deploy.replicas.ferries import services
from trivet_api import CurrentPlatform, SingleQuery, Unit, public

router = APIRouter(dependencies=[public])


class Seen(BaseModel):
    """What a request saw, of which server, in which process."""

    port: int
    names: list[str]
    process: int


def _seen(found: tuple[int, list[str]]) -> Seen:
    port, names = found
    return Seen(port=port, names=names, process=os.getpid())


@router.get("/by/run")
async def by_run(unit: Unit) -> Seen:
    return _seen(await unit.run(services.see))


@router.get("/by/query")
async def by_query(unit: SingleQuery) -> Seen:
    return _seen(await unit.run(services.see))


@router.get("/by/session")
async def by_session(unit: Unit) -> Seen:
    found = (await unit.session.execute(services.SEEN)).one()
    return _seen((found[0], found[1]))


@router.get("/by/django")
async def by_django(unit: Unit) -> Seen:
    return _seen(await unit.run_with_django(services.see_with_django))


@router.get("/by/own-unit/{name}")
async def by_own_unit(name: str, unit: Unit, platform: CurrentPlatform) -> Seen:
    """As a page that counts its visitors."""
    async with platform.open_unit() as own:
        await own.run(services.launch, name)
    return _seen(await unit.run(services.see))


@router.get("/by/stamp")
async def by_stamp(unit: Unit, with_django: bool = False) -> None:
    await (unit.run_with_django if with_django else unit.run)(services.stamp)


@router.post("/search")
async def search(unit: Unit) -> Seen:
    return _seen(await unit.run(services.see))


@router.post("/{name}", status_code=201)
async def launch(name: str, unit: Unit, with_django: bool = False) -> Seen:
    run = unit.run_with_django if with_django else unit.run
    await run(services.launch, name)
    return _seen(await run(services.see))
