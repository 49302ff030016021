"""Many questions, few reads: what is shared, what is not, and what a failure or an end does."""

import asyncio
from collections.abc import Mapping, Sequence

import pytest

from trivet.delivery.batched_read import BatchedRead

pytestmark = pytest.mark.anyio


class Library:
    """Answers by doubling, when it is let."""

    def __init__(self) -> None:
        self.reads: list[list[int]] = []
        self.may_answer = asyncio.Event()
        self.cancelled = 0

    async def read(self, keys: Sequence[int]) -> Mapping[int, int]:
        self.reads.append(list(keys))
        try:
            await self.may_answer.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        if 13 in keys:
            raise LookupError("13")
        return {key: 2 * key for key in keys}


async def asking(batched: BatchedRead[int, int], *keys: int) -> list["asyncio.Task[int]"]:
    tasks = [asyncio.create_task(batched.ask(key)) for key in keys]
    await asyncio.sleep(0.01)
    return tasks


async def test_what_is_asked_during_a_read_is_read_together_by_the_next() -> None:
    library = Library()
    batched = BatchedRead(library.read, limit=3)
    tasks = await asking(batched, 1) + await asking(batched, 2, 3, 2, 4, 5)
    library.may_answer.set()
    assert await asyncio.gather(*tasks) == [2, 4, 6, 4, 8, 10]
    assert library.reads == [[1], [2, 3, 4], [5]]


async def test_a_question_during_a_read_of_the_same_is_answered_by_a_newer_one() -> None:
    library = Library()
    batched = BatchedRead(library.read, limit=3)
    tasks = await asking(batched, 1) + await asking(batched, 1)
    library.may_answer.set()
    assert await asyncio.gather(*tasks) == [2, 2]
    assert library.reads == [[1], [1]]


async def test_a_failed_read_fails_its_own_questions_and_no_others() -> None:
    library = Library()
    batched = BatchedRead(library.read, limit=2)
    tasks = await asking(batched, 1) + await asking(batched, 13, 2, 3)
    library.may_answer.set()
    answers = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(each) for each in answers] == [int, LookupError, LookupError, int]


async def test_who_leaves_cancels_no_read() -> None:
    library = Library()
    batched = BatchedRead(library.read, limit=2)
    leaving, staying = await asking(batched, 1, 1)
    leaving.cancel()
    await asyncio.sleep(0)
    library.may_answer.set()
    assert await staying == 2
    assert library.cancelled == 0


async def test_a_stop_lets_the_read_end_and_answers_nobody_after_it() -> None:
    library = Library()
    batched = BatchedRead(library.read, limit=1)
    running, waiting = await asking(batched, 1, 2)
    stopping = asyncio.create_task(batched.stop())
    await asyncio.sleep(0)
    library.may_answer.set()
    await stopping
    assert await running == 2
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert library.reads == [[1]]
