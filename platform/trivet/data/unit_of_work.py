"""The unit of work: one transaction, whichever door opened it.

There is one class, with one interface, for an endpoint, a socket's message, a command, work after
a response and a view of the admin. What differs is the transaction underneath: on the event loop
it stands on the async engine (`trivet.data.transaction`), in a view of the admin on Django's own
connection. On the loop the unit's verbs are awaited, in a view they are called.

A unit has no verb that ends it, and its session is sealed: whoever opened it decides.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Concatenate, Generic, ParamSpec, Protocol, TypeVar, overload

from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session

from trivet.identity.identity import Identity
from trivet.origin import Origin

P = ParamSpec("P")
T = TypeVar("T")
S = TypeVar("S")
S_co = TypeVar("S_co", covariant=True)


class Transaction(Protocol[S_co]):
    """The transaction beneath a unit of work."""

    @property
    def session(self) -> S_co: ...

    @property
    def origin(self) -> Origin: ...

    @property
    def read_only(self) -> bool: ...

    @property
    def published(self) -> Mapping[str, int]: ...

    def run(self, work: Callable[[Session], Any]) -> Any: ...

    def run_with_django(self, work: Callable[[Session], Any]) -> Any: ...


class UnitOfWork(Generic[S]):
    """One transaction, and who acts in it.

    `UnitOfWork[AsyncSession]` is what an endpoint, a socket's message and a command are given;
    `UnitOfWork[Session]` is given to a view of the admin, where nothing is awaited.
    """

    def __init__(self, transaction: Transaction[S]) -> None:
        self._transaction = transaction

    @property
    def session(self) -> S:
        """The session, for work that is no service's. It cannot end the transaction.

        Raises:
            RuntimeError: The unit is decided: what is written after the response began could
                not change its outcome any more. Or it is a `SingleQuery`, or it stands on
                Django's connection, which no async session can reach.
        """
        return self._transaction.session

    @property
    def actor(self) -> Identity:
        """The actor, as services take it."""
        return self._transaction.origin.identity

    @property
    def read_only(self) -> bool:
        """Whether writes are refused, and the unit sees one moment."""
        return self._transaction.read_only

    @property
    def published(self) -> Mapping[str, int]:
        """The channels that the commit published to, with their newest offsets; empty before."""
        return self._transaction.published

    @overload
    def run(
        self: "UnitOfWork[AsyncSession]",
        service: Callable[Concatenate[Session, Identity, P], T],
        *args: P.args,
        **options: P.kwargs,
    ) -> Awaitable[T]: ...

    @overload
    def run(
        self: "UnitOfWork[Session]",
        service: Callable[Concatenate[Session, Identity, P], T],
        *args: P.args,
        **options: P.kwargs,
    ) -> T: ...

    def run(self, service: Callable[..., Any], *args: Any, **options: Any) -> Any:
        """Run the plain function ``service(db, actor, …)`` in this unit.

        On the event loop its database calls are awaited beneath it (greenlets); it may not
        block on anything else.

        Args:
            service: The function; it may neither commit nor roll back.
            args: Its arguments after `db` and `actor`.
            options: Its keyword arguments.

        Returns:
            What the service returns; on the event loop something to await.
        """
        return self._transaction.run(_Call(service, self.actor, args, options))

    @overload
    def run_with_django(
        self: "UnitOfWork[AsyncSession]",
        service: Callable[Concatenate[Session, Identity, P], T],
        *args: P.args,
        **options: P.kwargs,
    ) -> Awaitable[T]: ...

    @overload
    def run_with_django(
        self: "UnitOfWork[Session]",
        service: Callable[Concatenate[Session, Identity, P], T],
        *args: P.args,
        **options: P.kwargs,
    ) -> T: ...

    def run_with_django(self, service: Callable[..., Any], *args: Any, **options: Any) -> Any:
        """Run ``service(db, actor, …)`` where Django's ORM works too, both in this transaction.

        On the event loop that is a bounded thread, and the unit stands on Django's connection
        from then on: `run` follows it there, and `session` is refused. In the admin it is `run`.

        Args:
            service: The function; it may neither commit nor roll back.
            args: Its arguments after `db` and `actor`.
            options: Its keyword arguments.

        Returns:
            What the service returns; on the event loop something to await.

        Raises:
            RuntimeError: The unit has begun on the async session: call this first.
            Unavailable: No thread is free in time (503).
        """
        return self._transaction.run_with_django(_Call(service, self.actor, args, options))


class _Call:
    """A service with its arguments, waiting for the session; named like the service."""

    __slots__ = ("_actor", "_args", "_options", "_service")

    def __init__(
        self, service: Callable[..., Any], actor: Identity, args: Any, options: Any
    ) -> None:
        self._service, self._actor, self._args, self._options = service, actor, args, options

    def __call__(self, db: Session) -> Any:
        return self._service(db, self._actor, *self._args, **self._options)

    def __str__(self) -> str:
        return str(getattr(self._service, "__name__", self._service))
