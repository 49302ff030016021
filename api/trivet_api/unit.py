"""The unit of work as an endpoint sees it."""

from collections.abc import Callable
from typing import Annotated, Concatenate, ParamSpec, TypeVar

from fastapi import Depends, Request
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session

from trivet.context import RequestContext, context_of
from trivet.identity import Identity
from trivet.platform import Platform

P = ParamSpec("P")
T = TypeVar("T")


class RequestUnit:
    """This request's transaction, and who asks for it.

    It commits before the first byte of a response below 400 and rolls back otherwise. In a
    GET or HEAD it reads one snapshot and refuses writes.
    """

    def __init__(self, context: RequestContext) -> None:
        self._context = context

    @property
    def actor(self) -> Identity:
        return self._context.identity

    @property
    def platform(self) -> Platform:
        return self._context.platform

    @property
    def session(self) -> AsyncSession:
        """The async session, for work that is no service's."""
        return self._context.unit.session

    async def run(
        self,
        service: Callable[Concatenate[Session, Identity, P], T],
        *args: P.args,
        **options: P.kwargs,
    ) -> T:
        """Run the plain function ``service(db, actor, …)`` in this unit, on the event loop."""
        return await self._context.unit.run(service, self.actor, *args, **options)

    async def run_with_django(
        self,
        service: Callable[Concatenate[Session, Identity, P], T],
        *args: P.args,
        **options: P.kwargs,
    ) -> T:
        """Run ``service(db, actor, …)`` where Django's ORM works too: on a bounded thread, both
        ORMs in this one transaction.

        The unit stands on Django's connection from then on: `run` follows it there, and
        `session` is refused. Call it before anything else has used the unit; RuntimeError
        otherwise. Raises Unavailable (503) if no thread is free in time.
        """
        return await self._context.unit.run_with_django(service, self.actor, *args, **options)


async def _unit(request: Request) -> RequestUnit:
    return RequestUnit(context_of(request.scope))


Unit = Annotated[RequestUnit, Depends(_unit)]
"""The annotation by which an endpoint asks for its unit of work."""


async def _single_query(request: Request) -> RequestUnit:
    context = context_of(request.scope)
    context.unit.ask_once()
    return RequestUnit(context)


SingleQuery = Annotated[RequestUnit, Depends(_single_query)]
"""In place of `Unit`, for an endpoint of a safe method whose service asks the database once.

It needs no transaction, and so a third of the round trips; the connection is free again before
the answer is made. A second statement (a relation that is loaded later, another `run`) is refused
with a sentence.
"""
