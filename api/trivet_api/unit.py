"""The unit of work as an endpoint asks for it."""

from typing import Annotated

from fastapi import Depends, Request
from sqlalchemy.ext.asyncio import AsyncSession

from trivet.context import context_of
from trivet.data.unit_of_work import UnitOfWork
from trivet.platform import Platform


async def _unit(request: Request) -> UnitOfWork[AsyncSession]:
    return context_of(request.scope).unit


Unit = Annotated[UnitOfWork[AsyncSession], Depends(_unit)]
"""The annotation by which an endpoint asks for its unit of work.

It commits before the first byte of a response below 400 and rolls back otherwise. In a GET or
HEAD it reads one snapshot and refuses writes.
"""


async def _single_query(request: Request) -> UnitOfWork[AsyncSession]:
    context = context_of(request.scope)
    context.require_transaction().ask_once()
    return context.unit


SingleQuery = Annotated[UnitOfWork[AsyncSession], Depends(_single_query)]
"""The annotation, in place of `Unit`, for a safe method that asks the database once.

It opens no transaction and so needs a third of the round trips. The connection is free again
before the answer is made. A second statement (a relation that is loaded later, another `run`) is
refused with an error that explains it.
"""


UNITS = frozenset({_unit, _single_query})
"""The dependencies behind both annotations."""


async def _platform(request: Request) -> Platform:
    return context_of(request.scope).platform


CurrentPlatform = Annotated[Platform, Depends(_platform)]
"""The annotation by which an endpoint asks for the platform, for example to sign a cursor."""
