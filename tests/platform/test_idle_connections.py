"""Connections that PostgreSQL ended while nobody looked."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import text

from tests.platform.bare import bare_platform
from tests.services.postgres import PostgresServer
from trivet import Platform
from trivet.data import postgresql
from trivet.data.errors import explain

pytestmark = pytest.mark.anyio


@pytest.fixture
async def platform(postgres: PostgresServer, tmp_path: Path) -> AsyncIterator[Platform]:
    url = await asyncio.to_thread(postgres.create_database, "idle")
    platform = bare_platform(tmp_path, database_url=url)
    yield platform
    await platform.database.close()
    await asyncio.to_thread(postgres.drop_database, "idle")


async def ask(platform: Platform) -> int:
    async with platform.database.unit(read_only=True) as session:
        answer: int = await session.scalar(text("SELECT 1"))
        return answer


async def ask_at_once(platform: Platform) -> list[int]:
    """On four connections."""
    return await asyncio.gather(*(ask(platform) for _ in range(4)))


async def cut_all(postgres: PostgresServer) -> None:
    def cut() -> None:
        with psycopg.connect(postgres.url("postgres")) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'idle'"
            )

    await asyncio.to_thread(cut)


async def test_one_that_was_lost_while_it_was_idle_is_replaced_before_anyone_gets_it(
    platform: Platform, postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgresql, "IDLE_SECONDS", 0.0)
    await ask_at_once(platform)
    await cut_all(postgres)
    assert await ask_at_once(platform) == [1, 1, 1, 1]


async def test_one_that_was_lost_a_moment_after_its_use_is_one_503_and_takes_the_others_along(
    platform: Platform, postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgresql, "IDLE_SECONDS", 60.0)
    await ask_at_once(platform)
    await cut_all(postgres)
    with pytest.raises(Exception, match="terminat") as caught:
        await ask(platform)
    explained = explain(caught.value)
    assert explained is not None
    assert explained.status == 503
    assert await ask_at_once(platform) == [1, 1, 1, 1]


@pytest.mark.parametrize(("idle_seconds", "pings"), [(60.0, 0), (0.0, 2)])
async def test_one_that_was_used_just_now_is_not_asked_again(
    platform: Platform, monkeypatch: pytest.MonkeyPatch, idle_seconds: float, pings: int
) -> None:
    monkeypatch.setattr(postgresql, "IDLE_SECONDS", idle_seconds)
    dialect, asked = platform.database.engine.dialect, []
    ping = dialect.do_ping

    def count(connection: Any) -> bool:
        asked.append(connection)
        return bool(ping(connection))

    monkeypatch.setattr(dialect, "do_ping", count)
    for _ in range(3):
        await ask(platform)
    assert len(asked) == pings
