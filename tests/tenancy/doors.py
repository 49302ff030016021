"""The doors by which somebody reads rows of tenants."""

from collections.abc import Awaitable, Callable
from typing import Any

import httpx2

NUMBERS = range(1, 7)
PATHS = ("lectures", "seminars", "handouts")
Door = Callable[[httpx2.AsyncClient, str], Awaitable[set[int]]]


async def items(client: httpx2.AsyncClient, path: str) -> list[Any]:
    answer = await client.get(path)
    assert answer.status_code == 200, answer.text
    found: list[Any] = answer.json()["items"]
    return found


async def listed(client: httpx2.AsyncClient, path: str) -> set[int]:
    return {row["id"] for row in await items(client, path)}


async def paged(client: httpx2.AsyncClient, path: str) -> set[int]:
    found: set[int] = set()
    at = f"{path}?limit=1"
    while at:
        page = (await client.get(at)).json()
        found |= {row["id"] for row in page["items"]}
        cursor = page["next_cursor"]
        at = f"{path}?limit=1&cursor={cursor}" if cursor else ""
    return found


async def counted(client: httpx2.AsyncClient, path: str) -> set[int]:
    found = set()
    for n in NUMBERS:
        page = (await client.get(f"{path}?id={n}&count=exact")).json()
        found |= {n} if page["count"] else set()
    return found


async def read(client: httpx2.AsyncClient, path: str) -> set[int]:
    return {n for n in NUMBERS if (await client.get(f"{path}/{n}")).status_code == 200}


def change_of(path: str) -> dict[str, Any]:
    return {"text": "new"} if path.endswith("handouts") else {"title": "new"}


async def changed(client: httpx2.AsyncClient, path: str) -> set[int]:
    body = change_of(path)
    return {n for n in NUMBERS if (await client.patch(f"{path}/{n}", json=body)).status_code == 200}


async def changed_at_once(client: httpx2.AsyncClient, path: str) -> set[int]:
    each = [{"key": str(n), "changes": change_of(path)} for n in NUMBERS]
    body = {"items": each, "atomic": False}
    answers = (await client.post(f"{path}:batchUpdate", json=body)).json()["items"]
    return {n for n, each in zip(NUMBERS, answers, strict=True) if each["status"] == 200}


async def deleted(client: httpx2.AsyncClient, path: str) -> set[int]:
    return {n for n in NUMBERS if (await client.delete(f"{path}/{n}")).status_code == 204}


DOORS: list[Door] = [listed, paged, counted, read, changed, changed_at_once, deleted]
