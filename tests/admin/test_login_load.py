"""Many logins at once: the loop goes on, and what takes time does not tell who exists."""

import asyncio
import statistics
import time

import pytest
from sqlalchemy import text

from tests.admin.house import PASSWORD, House

pytestmark = pytest.mark.anyio


async def test_the_loop_keeps_turning_while_fifty_log_in(house: House) -> None:
    ticks = 0
    over = asyncio.Event()

    async def tick() -> None:
        nonlocal ticks
        while not over.is_set():
            await asyncio.sleep(0.001)
            ticks += 1

    async with house.client() as visitor:
        given = {"username": "clerk", "password": PASSWORD}
        ticking = asyncio.create_task(tick())
        logins = [visitor.http.post("/door/login", json=given) for _ in range(50)]
        answers = await asyncio.gather(*logins)
        over.set()
        await ticking
    assert [answer.status_code for answer in answers] == [200] * 50
    # Hashed on the loop it would have turned once a login.
    assert ticks > 4 * len(answers)


async def test_a_login_does_the_same_work_whoever_is_named(house: House) -> None:
    """In CPU time of the whole process, because the clock would measure the machine's load."""
    spent: dict[str, list[float]] = {"clerk": [], "nobody": [], "guest": []}
    async with house.platform.database.engine.begin() as connection:
        disable = "UPDATE accounts_user SET is_active = false WHERE username = 'guest'"
        await connection.execute(text(disable))
    async with house.client() as visitor:
        for _ in range(4):
            for username, times in spent.items():
                started = time.process_time()
                given = {"username": username, "password": "wrong"}
                response = await visitor.http.post("/door/login", json=given)
                times.append(time.process_time() - started)
                assert response.status_code == 401
    medians = {username: statistics.median(times) for username, times in spent.items()}
    assert max(medians.values()) < 2 * min(medians.values()), medians
