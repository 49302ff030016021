"""The platform's interface to the room that knows Django: a transaction that both ORMs share.

The API may not import the admin, so the roof gives the platform this object, as it gives it the
users (`trivet.identity.accounts`).
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Protocol, TypeVar

from sqlalchemy.orm import Session

if TYPE_CHECKING:
    from trivet.data.replicas.replica import Replica
from trivet.origin import Origin

T = TypeVar("T")


class DjangoTransaction(Protocol):
    """A transaction on Django's own connection, on a thread that it keeps to its end."""

    async def run(self, work: Callable[[Session], T]) -> T:
        """Run `work` on the thread, with the session that stands on Django's connection.

        It runs one at a time. An exception of `work` is raised here; an error of Django becomes
        one of `trivet.errors` with the same meaning.
        """
        ...

    async def commit(self) -> Mapping[str, int]:
        """Commit, and return the channels that were published to with their newest offsets.

        Raises, with nothing committed, if the database refuses, or if the code has swallowed an
        error of the database.
        """
        ...

    async def close(self, reason: str = "") -> None:
        """Roll back uncommitted changes, for `reason`, and give the connection and the thread
        back."""
        ...


class DjangoTransactions(Protocol):
    """Opens such transactions, a bounded number at a time."""

    async def open(
        self, origin: Origin, *, read_only: bool = False, replica: "Replica | None" = None
    ) -> DjangoTransaction:
        """A transaction with its own connection and thread. The caller has to close it.

        Its changes have the origin `origin`. With `read_only` it sees one snapshot and refuses
        writes; it then stands on `replica`, if that can be read from.
        Raises Unavailable if no thread is free in time.
        """
        ...
