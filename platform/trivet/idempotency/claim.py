"""The course of one request with a key, from its claim to the commit."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from functools import partial
from math import ceil
from typing import NoReturn

from sqlalchemy.orm import Session

from trivet.data.replicas.client import current_client
from trivet.data.replicas.position import BEYOND, WalPosition
from trivet.data.transaction import AsyncTransaction, TryAgain
from trivet.errors import Conflict, Forbidden, Invalid, TrivetError
from trivet.idempotency import claiming
from trivet.idempotency.answer import KeptAnswer
from trivet.idempotency.claiming import BusyError, KeyedRequest
from trivet.idempotency.turns import Turns

_FIRST_LOOK_SECONDS = 0.02
_LATER_LOOK_SECONDS = 0.25
"""How often a process asks for a key that another one works on: more seldom with time."""


class IdempotencyKeys:
    """The keys of a process.

    Args:
        hours: The time for which an answer is kept.
        wait_seconds: The longest time for which a request waits for another one with its key.
        answer_bytes: The largest answer that is kept.
    """

    def __init__(self, *, hours: float, wait_seconds: float, answer_bytes: int) -> None:
        self.age = timedelta(hours=hours)
        self.wait_seconds = wait_seconds
        self.answer_bytes = answer_bytes
        self.turns = Turns()


class KeyClaim:
    """The claim of one request on its key.

    Attributes:
        keys: The keys of the process.
        request: What is asked, and by whom; None before `take`.
        found: The answer of an earlier request, if there is one.
        answer: The answer that is to be kept with the commit.
        is_lost: Whether another request was faster while the transaction went over to Django's
            connection. What this one has done is to be undone, and `found` to be answered, or,
            where the other one is still running, that it is.
    """

    def __init__(self, keys: IdempotencyKeys, transaction: AsyncTransaction) -> None:
        self.keys = keys
        self.request: KeyedRequest | None = None
        self.found: KeptAnswer | None = None
        self.answer: KeptAnswer | None = None
        self.is_lost = False
        self._transaction = transaction
        self._has_turn = self._is_taken = False
        self._loop = asyncio.get_running_loop()
        self._until = 0.0
        self._pause = _FIRST_LOOK_SECONDS

    @property
    def is_taken(self) -> bool:
        """Whether the key is this request's, and its answer will be kept."""
        return self._is_taken

    async def take(self, request: KeyedRequest) -> KeptAnswer | None:
        """Take the key, waiting for others if need be.

        Returns:
            The answer to an earlier request, which is to be given again; None if this one is the
            first, and its transaction has begun.

        Raises:
            Conflict: Another request with the key is still running.
            Invalid: The key was used for another request.
            Forbidden: The answer was made for other permissions than the caller has now.
        """
        self.request = request
        self._until = self._loop.time() + self.keys.wait_seconds
        try:
            self.found = await self.keys.turns.take(request.place, self._until)
        except TimeoutError:
            raise self._still_running() from None
        if self.found is None:
            self._has_turn = True
            await self._take_in_database()
        if self.found is not None:
            _note_position(self.found.written)
            self.require_same()
        return self.found

    async def commit(self) -> None:
        """Commit the transaction, with the answer as the last thing in it."""
        assert self.answer is not None
        assert self.request is not None
        await self._transaction.commit(
            partial(claiming.keep, request=self.request, answer=self.answer)
        )
        self.release(
            replace(
                self.answer,
                fingerprint=self.request.fingerprint,
                authority=self.request.authority,
                written=_find_position(),
            )
        )

    def release(self, answer: KeptAnswer | None = None) -> None:
        """Let others with the key go on, with the committed `answer`, if there is one."""
        if self._has_turn:
            self._has_turn = False
            assert self.request is not None
            self.keys.turns.leave(self.request.place, answer)

    async def _take_in_database(self) -> None:
        try:
            await self._transaction.begin_with(self._claim)
            if self.found is not None:
                # A commit, for it says where in the log the change can be read.
                await self._transaction.end_first()
                self.found = replace(self.found, written=_find_position())
        except BaseException:
            self.release()
            raise
        self._is_taken = self.found is None
        if self.found is not None:
            self.release(self.found)

    def _claim(self, db: Session) -> None:
        """The first work of the transaction. It runs a second time where the transaction goes over
        to Django's connection: for a moment the key was free, and somebody else may have it."""
        assert self.request is not None
        try:
            self.found = claiming.claim(db, self.request, self.keys.age)
        except BusyError:
            self._wait()
        if self.found is not None and self._is_taken:
            self._lose()

    def _wait(self) -> NoReturn:
        """Ask for the key again after a pause, which grows, until the time is over."""
        pause, self._pause = self._pause, min(2 * self._pause, _LATER_LOOK_SECONDS)
        if self._loop.time() + pause <= self._until:
            raise TryAgain(pause) from None
        self._lose()

    def _lose(self) -> NoReturn:
        if self._is_taken:
            # The endpoint may swallow the error; its answer is thrown away, whatever it says.
            _note_position(None)
            self._is_taken, self.is_lost = False, True
        raise self._still_running() from None

    def _still_running(self) -> TrivetError:
        return Conflict(
            "idempotency-key-in-use",
            "Another request with this Idempotency-Key is still running. Send the same again "
            "later, and you get its answer.",
            retry_after=max(1, ceil(self.keys.wait_seconds / 10)),
        )

    def require_same(self) -> None:
        """Require that `found` may be given to this request.

        Raises:
            Conflict: There is none yet.
            Invalid: The key was used for another request.
            Forbidden: The answer was made for other permissions than the caller has now.
        """
        found = self.found
        if found is None:
            raise self._still_running()
        assert self.request is not None
        if found.fingerprint != self.request.fingerprint:
            detail = "it was used for another request; method, address, type and body have to agree"
            raise Invalid(
                "idempotency-key-reused",
                f"The Idempotency-Key cannot be taken: {detail}.",
                errors=[{"in": "header", "pointer": "/idempotency-key", "detail": detail}],
            )
        if found.authority != self.request.authority:
            raise Forbidden(
                "permissions-changed",
                "What this Idempotency-Key was used for is done, and is not done again. Its answer "
                "was made for other permissions than you have now, so it is not shown.",
            )


def _find_position() -> WalPosition | None:
    """Where this client's last commit stands in the log; None where nobody reads from replicas."""
    client = current_client()
    return None if client is None else client.written


def _note_position(position: WalPosition | None) -> None:
    """Have this client read what was committed at `position`. If nobody knows that, it reads from
    the primary."""
    client = current_client()
    if client is not None:
        client.note(position or BEYOND)
