"""The unit of work: one transaction, whatever door opened it.

An endpoint, a socket's message, a command, work after a response and a view of the admin use one
class with one interface. Only the transaction underneath differs: on the event loop it uses the
async engine (`trivet.data.transaction`), in a view of the admin Django's own connection. On the
loop the unit's methods are awaited, in a view they are called.

A unit has no method that ends it, and its session is sealed: the code that opened it decides.
"""

import inspect
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Concatenate, Generic, ParamSpec, Protocol, TypeVar, overload

from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session

from trivet.data.compiled_read import CompiledRead, Rows
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

    def ask(self, read: CompiledRead, values: Mapping[str, Any]) -> Any: ...

    def run_with_django(self, work: Callable[[Session], Any]) -> Any: ...


class UnitOfWork(Generic[S]):
    """One transaction, with its actor. The platform makes it.

    Endpoints, messages of sockets and commands get a `UnitOfWork[AsyncSession]`. Views of the
    admin, where nothing is awaited, get a `UnitOfWork[Session]`.
    """

    def __init__(self, transaction: Transaction[S]) -> None:
        self._transaction = transaction

    @property
    def session(self) -> S:
        """The session, for work that no service does. It cannot end the transaction.

        Raises:
            RuntimeError: The unit has ended, because the response has begun; or it is a
                `SingleQuery`; or it uses Django's connection, which no async session can reach.
        """
        return self._transaction.session

    @property
    def actor(self) -> Identity:
        """The identity that acts. Services get it as their second argument."""
        return self._transaction.origin.identity

    @property
    def read_only(self) -> bool:
        """Whether writes are refused, and the unit sees the data of one moment."""
        return self._transaction.read_only

    @property
    def published(self) -> Mapping[str, int]:
        """The channels that the commit published to, with their newest offsets; empty before it."""
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

        On the event loop SQLAlchemy awaits its database calls (by greenlets). It may not block
        on anything else.

        What it changed is flushed when it returns, so an object that it returns holds what its
        row holds.

        Args:
            service: The function. It may neither commit nor roll back.
            *args: Its arguments after `db` and `actor`.
            **options: Its keyword arguments.

        Returns:
            The value that the service returns; on the event loop an awaitable of it.

        Raises:
            RuntimeError: The unit has ended, because the response has begun.
            TypeError: The service is an `async def`.
        """
        return self._transaction.run(_Call(service, self.actor, args, options))

    @overload
    def ask(
        self: "UnitOfWork[AsyncSession]", read: CompiledRead, values: Mapping[str, Any]
    ) -> Awaitable[Rows]: ...

    @overload
    def ask(self: "UnitOfWork[Session]", read: CompiledRead, values: Mapping[str, Any]) -> Rows: ...

    def ask(self, read: CompiledRead, values: Mapping[str, Any]) -> Any:
        """The rows of a query that was compiled once.

        It is cheapest as the only query of a unit that reads: that needs no transaction, and so
        sees one moment by itself.

        Args:
            read: The query.
            values: The values of its parameters.

        Returns:
            The rows; on the event loop an awaitable of them.
        """
        return self._transaction.ask(read, values)

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

        On the event loop the service runs on a thread of a bounded pool. From then on the unit
        uses Django's connection: `run` uses it too, and `session` is refused. In the admin this
        is the same as `run`.

        Args:
            service: The function. It may neither commit nor roll back.
            *args: Its arguments after `db` and `actor`.
            **options: Its keyword arguments.

        Returns:
            The value that the service returns; on the event loop an awaitable of it.

        Raises:
            RuntimeError: The unit has already begun on the async session. Call this first.
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
        result = self._service(db, self._actor, *self._args, **self._options)
        if inspect.iscoroutine(result):  # an 'async def', of which nothing has run
            result.close()
            raise TypeError(
                f"{self} is an 'async def', and a service is a plain function: write 'def', and "
                "use db without await, or await it in the endpoint with unit.session"
            )
        return result

    def __str__(self) -> str:
        return str(getattr(self._service, "__name__", self._service))
