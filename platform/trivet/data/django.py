"""The platform's interface to the room that knows Django: a transaction that both ORMs share.

The API may not import the admin, so the roof hands the platform this, as it hands it the house
of users (`trivet.identity.accounts`).
"""

from collections.abc import Callable, Mapping
from typing import Protocol, TypeVar

from sqlalchemy.orm import Session

from trivet.origin import Origin

T = TypeVar("T")


class DjangoTransaction(Protocol):
    """A transaction on Django's own connection, on a thread that it keeps to its end."""

    async def run(self, work: Callable[[Session], T]) -> T:
        """Run `work` on the thread, with the session that stands on Django's connection.

        One at a time. What `work` raises is raised here, Django's errors by their meaning
        (`trivet.errors`).
        """
        ...

    async def commit(self) -> Mapping[str, int]:
        """Commit, and return the channels that were published to with their newest offsets.

        Raises, with nothing committed, if the database refuses or if an error of the database
        was swallowed on the way.
        """
        ...

    async def close(self, reason: str = "") -> None:
        """Roll back what is not committed, for `reason`, and give the connection and the
        thread back."""
        ...


class DjangoTransactions(Protocol):
    """Opens them, a bounded number at a time."""

    async def open(self, origin: Origin, *, read_only: bool = False) -> DjangoTransaction:
        """A transaction with a connection and a thread of its own; whoever opens it closes it.

        Its changes are those of `origin`. `read_only` sees one snapshot and refuses writes.
        Raises Unavailable if no thread is free in time.
        """
        ...
