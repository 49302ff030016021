"""Requests that go on while a database is away."""

import asyncio
from dataclasses import dataclass, field

import httpx2

from tests.deploy.dock import (
    Crowd,
    Port,
    is_told_to_come_back,
)

CLIENTS = 6
DOORS = (False, True)
"""The API alone, and with Django: through `run` and through `run_with_django`."""


@dataclass
class Load:
    """Clients who put down one crate after another through both doors, until they are told to
    stop."""

    port: Port
    dock: str
    answers: list[tuple[str, httpx2.Response]] = field(default_factory=list)
    over: bool = False

    async def run(self, crowd: Crowd) -> None:
        await asyncio.gather(*(self._put(crowd, number) for number in range(CLIENTS)))

    async def _put(self, crowd: Crowd, client: int) -> None:
        number = 0
        while not self.over:
            label = f"{client}-{number}"
            request = self.port.put(self.dock, label, with_django=client % 2 == 0)
            self.answers.append((label, await crowd.send(request)[0]))
            number += 1
            await asyncio.sleep(0.02)

    def confirmed(self) -> set[str]:
        return {label for label, answer in self.answers if answer.status_code == 201}


async def succeed(crowd: Crowd, request: httpx2.Request) -> httpx2.Response:
    """Send a request until it succeeds, as a client would who is told to come back."""
    async with asyncio.timeout(30):
        while (answer := await crowd.send(request)[0]).status_code >= 400:
            assert is_told_to_come_back(answer), answer.text
            await asyncio.sleep(0.05)
    return answer
