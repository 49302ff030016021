"""Calls of Centrifugo's server API."""

import asyncio
import json
from typing import Any

import httpx2

from tests.realtime.house import SECONDS, House

KEY = "a-key-of-the-server-api-that-opens-nothing"


async def post(house: House, method: str, request: Any, **headers: str) -> httpx2.Response:
    url = f"http://127.0.0.1:{house.port}/ws/api/{method}"
    body = request if isinstance(request, bytes) else json.dumps(request).encode()
    # On a thread, because a client reads certificates when it is made.
    return await asyncio.to_thread(
        httpx2.post, url, content=body, headers=headers, trust_env=False, timeout=SECONDS
    )


async def call(house: House, method: str, **request: Any) -> Any:
    """The result; a KeyError if there is none."""
    answer = await post(house, method, request, **{"x-api-key": KEY})
    assert answer.status_code == 200
    return answer.json()["result"]


async def error(house: House, method: str, request: Any) -> int:
    answer = await post(house, method, request, **{"x-api-key": KEY})
    assert answer.status_code == 200
    return int(answer.json()["error"]["code"])
