"""/readyz: every check is asked, and none waits for another."""

from collections.abc import Awaitable, Callable
from pathlib import Path

import anyio
import pytest
from starlette.responses import PlainTextResponse

from tests.platform.bare import bare_root, client_of, mounted

pytestmark = pytest.mark.anyio

Check = Callable[[], Awaitable[str]]


async def ask(tmp_path: Path, **checks: Check) -> dict[str, str]:
    """What /readyz tells of each check, with a mounted app for each of `checks`."""
    hello = PlainTextResponse("hello")
    apps = [mounted(hello, f"/{name}", find_pending=check) for name, check in checks.items()]
    root = bare_root(tmp_path, apps)
    async with client_of(root) as client:
        answer = await client.get("/readyz")
    await root.platform.database.close()
    assert answer.status_code == 503, "nothing has been migrated here"
    told: dict[str, str] = answer.json()["checks"]
    return told


async def test_checks_run_side_by_side(tmp_path: Path) -> None:
    """Each of the two is ready only when the other has begun."""
    one_began, other_began = anyio.Event(), anyio.Event()

    async def one() -> str:
        one_began.set()
        await other_began.wait()
        return ""

    async def other() -> str:
        other_began.set()
        await one_began.wait()
        return ""

    told = await ask(tmp_path, one=one, other=other)
    assert (told["one"], told["other"]) == ("ok", "ok")


async def test_a_check_that_fails_leaves_the_others_their_answers_and_their_order(
    tmp_path: Path,
) -> None:
    async def broken() -> str:
        raise ZeroDivisionError

    async def waiting() -> str:
        await anyio.sleep(0.01)
        return "waits for the kitchen"

    told = await ask(tmp_path, waiting=waiting, broken=broken)
    assert list(told) == ["database", "migrations", "relay", "waiting", "broken"]
    assert told["waiting"] == "waits for the kitchen"
    assert told["broken"] == "ZeroDivisionError"
    assert told["relay"] == "does not deliver", "its lifespan has not begun"
