"""Litestar with advanced-alchemy on asyncpg; its plugin commits when the answer is good."""

from advanced_alchemy.extensions.litestar import (
    AsyncSessionConfig,
    EngineConfig,
    SQLAlchemyAsyncConfig,
    SQLAlchemyPlugin,
)
from litestar import Litestar, Request, get, post
from litestar.datastructures import State
from litestar.di import Provide
from litestar.exceptions import NotAuthorizedException, NotFoundException
from msgspec import Struct
from sqlalchemy.ext.asyncio import AsyncSession

from benchmarks.peers.alchemy import ApiKey, Parcel, key_query
from benchmarks.peers.keys import POOL, database_url, is_good, split_bearer


class ParcelIn(Struct):
    label: str
    depot: str
    grams: int
    fragile: bool


class ParcelOut(ParcelIn):
    id: int


async def find_key(request: Request[None, None, State], db_session: AsyncSession) -> ApiKey:
    prefix, digest = split_bearer(request.headers.get("authorization", ""))
    key = await db_session.scalar(key_query(prefix))
    if key is None or not is_good(
        digest,
        key.digest,
        is_active=key.owner.is_active,
        expires_at=key.expires_at,
        revoked_at=key.revoked_at,
    ):
        raise NotAuthorizedException
    return key


def _out(row: Parcel) -> ParcelOut:
    return ParcelOut(row.label, row.depot, row.grams, row.fragile, row.id)


@get("/parcels/{parcel_id:int}")
async def get_parcel(parcel_id: int, key: ApiKey, db_session: AsyncSession) -> ParcelOut:
    row = await db_session.get(Parcel, parcel_id)
    if row is None:
        raise NotFoundException
    return _out(row)


@post("/parcels")
async def add_parcel(data: ParcelIn, key: ApiKey, db_session: AsyncSession) -> ParcelOut:
    row = Parcel(label=data.label, depot=data.depot, grams=data.grams, fragile=data.fragile)
    db_session.add(row)
    await db_session.flush()
    return _out(row)


alchemy = SQLAlchemyAsyncConfig(
    connection_string=database_url("asyncpg"),
    before_send_handler="autocommit",
    session_config=AsyncSessionConfig(expire_on_commit=False),
    engine_config=EngineConfig(pool_size=POOL, max_overflow=0),
)
app = Litestar(
    [get_parcel, add_parcel],
    dependencies={"key": Provide(find_key)},
    plugins=[SQLAlchemyPlugin(alchemy)],
    openapi_config=None,
    logging_config=None,
)
