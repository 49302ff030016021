"""A route without a policy."""

from fastapi import APIRouter

router = APIRouter()


@router.get("/open")
async def stand_open() -> None: ...
