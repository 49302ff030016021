"""FastAPI with SQLAlchemy's ORM on asyncpg, a session and a key lookup as dependencies."""

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import Depends, FastAPI, Header, HTTPException
from pydantic import BaseModel, ConfigDict
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine

from benchmarks.peers.alchemy import ApiKey, Parcel, key_query
from benchmarks.peers.keys import POOL, database_url, is_good, split_bearer

engine = create_async_engine(database_url("asyncpg"), pool_size=POOL, max_overflow=0)
sessions = async_sessionmaker(engine, expire_on_commit=False)
app = FastAPI(openapi_url=None)


class ParcelIn(BaseModel):
    label: str
    depot: str
    grams: int
    fragile: bool


class ParcelOut(ParcelIn):
    model_config = ConfigDict(from_attributes=True)

    id: int


async def get_session() -> AsyncIterator[AsyncSession]:
    async with sessions() as session:
        yield session


Database = Annotated[AsyncSession, Depends(get_session)]


async def require_key(db: Database, authorization: Annotated[str, Header()] = "") -> ApiKey:
    prefix, digest = split_bearer(authorization)
    key = await db.scalar(key_query(prefix))
    if key is None or not is_good(
        digest,
        key.digest,
        is_active=key.owner.is_active,
        expires_at=key.expires_at,
        revoked_at=key.revoked_at,
    ):
        raise HTTPException(401)
    return key


@app.get("/parcels/{parcel_id}", dependencies=[Depends(require_key)])
async def get_parcel(parcel_id: int, db: Database) -> ParcelOut:
    parcel = await db.get(Parcel, parcel_id)
    if parcel is None:
        raise HTTPException(404)
    return ParcelOut.model_validate(parcel)


@app.get("/parcels", dependencies=[Depends(require_key)])
async def list_parcels(db: Database, limit: int = 50) -> list[ParcelOut]:
    parcels = await db.scalars(select(Parcel).order_by(Parcel.id).limit(limit))
    return [ParcelOut.model_validate(parcel) for parcel in parcels]


@app.post("/parcels", status_code=201, dependencies=[Depends(require_key)])
async def add_parcel(parcel: ParcelIn, db: Database) -> ParcelOut:
    row = Parcel(**parcel.model_dump())
    db.add(row)
    await db.commit()
    return ParcelOut.model_validate(row)
