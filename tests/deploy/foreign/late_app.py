"""An application whose lifespan takes as many seconds as the environment says."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
from starlette.applications import Starlette


@asynccontextmanager
async def lifespan(_app: Starlette) -> AsyncIterator[None]:
    await anyio.sleep(float(os.environ["LATE_SECONDS"]))
    yield


app = Starlette(lifespan=lifespan)
