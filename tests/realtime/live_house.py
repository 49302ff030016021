"""A house of live classes: its server, its people, and what each of them should be told.

What should be told is worked out here, in Python and from the rows alone, so that the SQL of the
product and these tests agree only if both are right.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import product
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.requests import HTTPConnection

from tests.realtime.freight.models import (
    Ban,
    Consignment,
    CrewPlace,
    Handler,
    Parcel,
    Postmark,
    Stage,
)
from tests.realtime.house import (
    PEOPLE,
    TABLES,
    House,
    open_platform_with_django,
    serving,
)
from tests.services.processes import free_port
from trivet import Identity, Model, Platform
from trivet.asgi.root import Root, build_root
from trivet.broker import Broker
from trivet_realtime.bounds import Bounds
from trivet_realtime.mount import mount

FEATURE = "tests.realtime.freight"
CHANNEL = "freight:consignments"
MARKS = "freight:marks"
CREW = 50
SENDERS = (1, 2)
"""Users who send; 3 and 4 are of the crew (one rule asks for each in its own way), 9 is a stranger,
and 8 is one of the staff, who see everything."""
ACTORS = {"1": 1, "2": 2, "3": 3, "4": 4, "9": 9, "8 staff": 8}


class Passes:
    """Believes ``x-badge``: ``7``, ``8 staff``, and ``7 marks`` for who may view postmarks."""

    is_ambient = False

    def __init__(self) -> None:
        self.dismissed: set[int] = set()
        """Those of the staff who are no longer."""

    def find_credential(self, connection: HTTPConnection) -> str | None:
        return connection.headers.get("x-badge") or connection.query_params.get("badge")

    async def authenticate(self, credential: str, session: AsyncSession) -> Identity | None:
        number, _, rank = credential.partition(" ")
        permissions = {"freight.view_postmark"} if rank == "marks" else set[str]()
        return Identity(
            user_id=int(number),
            username=f"user {number}",
            kind="key",
            is_staff=rank == "staff" and int(number) not in self.dismissed,
            permissions=frozenset(permissions),
            credential_id=f"badge-{credential}",
        )


@asynccontextmanager
async def live_house(
    database_url: str,
    *,
    bounds: Bounds | None = None,
    broker: Broker | None = None,
    features: tuple[str, ...] = (FEATURE,),
    **settings: Any,
) -> AsyncIterator[House]:
    """A served house with the feature's tables, its crew and nothing else in them."""
    # On a thread, as it imports and so reads files.
    platform = await asyncio.to_thread(
        open_platform_with_django, database_url, broker, features=features, **settings
    )
    root = await asyncio.to_thread(_build, platform, bounds)
    await _create(platform)
    house = House(platform, free_port(), root.mounts)
    async with serving(root, house.port):
        yield house


def _build(platform: Platform, bounds: Bounds | None) -> Root:
    return build_root(platform, [replace(mount(platform, bounds), authenticators=(Passes(),))])


async def _create(platform: Platform) -> None:
    models = (*TABLES, Consignment, CrewPlace, Postmark, Parcel, Handler, Ban)
    names = [*(model.__tablename__ for model in models), "freight_handling"]
    tables = [Model.metadata.tables[name] for name in names]
    tables += PEOPLE
    async with platform.database.engine.begin() as connection:
        await connection.run_sync(lambda sync: Model.metadata.create_all(sync, tables=tables))
    async with platform.database.unit() as session:
        if await session.scalar(select(CrewPlace.user_id).limit(1)) is None:
            session.add_all([CrewPlace(crew_id=CREW, user_id=user) for user in (3, 4)])


@dataclass(frozen=True)
class Held:
    """What the rule reads of a row."""

    sender: int | None = None
    crew: int | None = None
    stage: Stage = Stage.SHUT

    def values(self) -> dict[str, Any]:
        return {"sender_id": self.sender, "crew_id": self.crew, "stage": self.stage}


HELD = [Held(sender, crew) for sender, crew in product((None, *SENDERS), (None, CREW))]
CHANGES: list[tuple[Held | None, Held | None]] = [
    *((None, each) for each in HELD),
    *((each, None) for each in HELD),
    *product(HELD, HELD),
]
"""Every kind of change of every kind of row: what it was, and what it is."""


def sees(badge: str, held: Held | None) -> bool:
    """Whether the rule of the feature shows such a row to somebody."""
    user = ACTORS[badge]
    if held is None:
        return False
    is_crew = held.crew == CREW and user in (3, 4)
    return badge.endswith("staff") or held.stage is Stage.OPEN or held.sender == user or is_crew


def told(badge: str, changes: list[tuple[Held | None, Held | None]]) -> Iterator[tuple[str, str]]:
    """The kinds and codes of what somebody should hear of `changes`, each of a row of its own."""
    for number, (before, after) in enumerate(changes):
        was, is_ = sees(badge, before), sees(badge, after)
        if is_ and before is not None and was:
            yield "update", f"c{number}"
        elif is_:
            yield "insert", f"c{number}"
        elif was:
            yield "delete", f"c{number}"


async def make(house: House, changes: list[tuple[Held | None, Held | None]]) -> dict[str, str]:
    """Add the rows that are there before `changes`, and return the codes by the keys.

    Their publications are of the time before anybody listens.
    """
    codes: dict[str, str] = {}
    async with house.platform.database.unit() as session:
        for number, (before, _) in enumerate(changes):
            if before is not None:
                row = Consignment(code=f"c{number}", pin="1234", margin=5, **before.values())
                session.add(row)
                await session.flush()
                codes[str(row.id)] = row.code
    return codes


async def change(
    house: House, changes: list[tuple[Held | None, Held | None]], codes: dict[str, str]
) -> None:
    """Make `changes`, each in a transaction of its own; new rows are added to `codes`."""
    keys = {code: int(key) for key, code in codes.items()}
    for number, (before, after) in enumerate(changes):
        code = f"c{number}"
        async with house.platform.database.unit() as session:
            if before is None:
                assert after is not None
                row = Consignment(code=code, pin="1234", margin=5, **after.values())
                session.add(row)
                await session.flush()
                codes[str(row.id)] = code
                continue
            row = await session.get_one(Consignment, keys[code])
            if after is None:
                await session.delete(row)
                continue
            row.price = (row.price or Decimal(0)) + 1  # a change, also where the rule's values stay
            for name, value in after.values().items():
                setattr(row, name, value)


async def end(house: House) -> None:
    """Tell everybody something: an open consignment, called the end."""
    async with house.platform.database.unit() as session:
        session.add(Consignment(code="end", stage=Stage.OPEN))


async def next_event(client: Any) -> Any:
    """The next publication, of a socket or a stream; pings are answered."""
    while not (received := await client.receive()):
        await client.send({})
    return received["push"]["pub"]


async def heard(client: Any) -> list[Any]:
    """The publications that come until the end is told."""
    found: list[Any] = []
    while True:
        publication = await next_event(client)
        if is_end(publication):
            return found
        found.append(publication)


def is_end(publication: Any) -> bool:
    return bool(publication["data"].get("row", {}).get("code") == "end")
