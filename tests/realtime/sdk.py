"""The socket client of JavaScript, in a process of its own, and what it tells."""

import asyncio
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from tests.services.node import TESTS, node_command

SECONDS = 40.0


class Sdk:
    """A client in a Node process: what it says, event by event."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.heard: list[dict[str, Any]] = []

    async def next(self, event: str) -> dict[str, Any]:
        """The next event of this name; whatever comes before it goes to `heard` as well."""
        assert self._process.stdout is not None
        async with asyncio.timeout(SECONDS):
            while line := await self._process.stdout.readline():
                said: dict[str, Any] = json.loads(line)
                self.heard.append(said)
                if said["event"] == event:
                    return said
        raise AssertionError(f"the client ended without {event}: {self.heard}")

    async def publications(self, last: str) -> list[tuple[int, str]]:
        """Every publication up to the one labelled `last`, as offsets and labels."""
        seen: list[tuple[int, str]] = []
        while not seen or seen[-1][1] != last:
            said = await self.next("publication")
            seen.append((said["offset"], said["label"]))
        return seen

    def ask(self, word: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{word}\n".encode())


@asynccontextmanager
async def sdk(url: str, *channels: str, token: str = "") -> AsyncIterator[Sdk]:
    command = await asyncio.to_thread(node_command, TESTS / "realtime" / "sdk.mjs", url, *channels)
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "TOKEN": token},
    )
    try:
        yield Sdk(process)
    finally:
        process.kill()
        await process.communicate()
