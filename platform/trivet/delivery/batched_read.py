"""Few reads for many questions: what is asked while one read runs is read together by the next.

Ten thousand clients that come back at once ask for a few channels each, many of them for the same.
One read at a time answers all that have asked by then, so a storm needs one connection, and the
rest of the pool serves others. Whoever asks for the same gets the same answer.

What is asked for may be a write as well (of the presence of clients): then one transaction does the
work of all who wait.

A read is never cancelled because somebody who asked has left: a cancelled statement costs its
connection.
"""

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Iterable, Mapping, Sequence
from itertools import islice
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

STOP_SECONDS = 3.0
"""How long `stop` waits for the read that runs."""


class BatchedRead(Generic[K, V]):
    """Answers `ask(key)` by `read(keys)`, which is called with at most `limit` keys at a time.

    `read` answers every key that it is given. What it raises is raised by each `ask` of that read.
    """

    def __init__(
        self, read: Callable[[Sequence[K]], Awaitable[Mapping[K, V]]], *, limit: int
    ) -> None:
        self._read = read
        self._limit = limit
        self._asked: dict[K, asyncio.Future[V]] = {}
        self._running: asyncio.Task[None] | None = None

    async def ask(self, key: K) -> V:
        """The answer for `key`, of a read that begins after this call."""
        future = self._asked.get(key)
        if future is None:
            future = self._asked[key] = asyncio.get_running_loop().create_future()
        if self._running is None:
            self._running = asyncio.create_task(self._run())
        # Shielded, because others may await the same answer.
        return await asyncio.shield(future)

    async def stop(self) -> None:
        """Let the running read come to its end, and answer nobody else."""
        for future in self._asked.values():
            future.cancel()
        self._asked.clear()
        if self._running is not None:
            await asyncio.wait([self._running], timeout=STOP_SECONDS)

    async def _run(self) -> None:
        try:
            while self._asked:
                keys = list(islice(self._asked, self._limit))
                futures = {key: self._asked.pop(key) for key in keys}
                try:
                    answers = await self._read(keys)
                except Exception as error:  # noqa: BLE001  # it is raised where the answer is awaited
                    _fail(futures.values(), error)
                except BaseException:
                    for future in futures.values():
                        future.cancel()
                    raise
                else:
                    _answer(futures, answers)
        finally:
            self._running = None


def _answer(futures: Mapping[K, "asyncio.Future[V]"], answers: Mapping[K, V]) -> None:
    for key, future in futures.items():
        if not future.done():
            future.set_result(answers[key])


def _fail(futures: Iterable["asyncio.Future[V]"], error: Exception) -> None:
    for future in futures:
        if not future.done():
            future.set_exception(error)
            # Whoever asked may be gone.
            future.exception()
