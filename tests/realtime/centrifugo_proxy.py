"""What Centrifugo asks its proxy."""

import asyncio
import json
from typing import Any

import httpx2

from tests.realtime.house import SECONDS, House

SECRET = "a-secret-that-centrifugo-and-the-tests-know"
SETTINGS: Any = {
    "centrifugo_secret": SECRET,
    "centrifugo_api_url": "http://127.0.0.1:9/api",  # nobody listens there
    "centrifugo_api_key": "a-key-of-centrifugo-that-opens-nothing-here",
}
CALLER = {"client": "c1", "transport": "websocket", "protocol": "json", "encoding": "json"}


async def post(house: House, method: str, body: bytes, **headers: str) -> httpx2.Response:
    url = f"http://127.0.0.1:{house.port}/ws/centrifugo/{method}"
    options: Any = {"verify": False, "trust_env": False, "timeout": SECONDS}
    return await asyncio.to_thread(httpx2.post, url, content=body, headers=headers, **options)


async def ask(house: House, question_of: str, badge: str = "", **question: Any) -> Any:
    """The whole answer, whose status has to be 200. `badge` is what the handshake brought."""
    headers = (
        {"x-centrifugo-secret": SECRET, "x-badge": badge}
        if badge
        else {"x-centrifugo-secret": SECRET}
    )
    body = json.dumps({**CALLER, **question}).encode()
    answer = await post(house, question_of, body, **headers)
    assert answer.status_code == 200, answer.text
    return answer.json()
