"""For the authors of ``admin.py``: how an action calls a service.

::

    @admin.action(description="Cancel flights")
    def cancel(self, request, queryset):
        for flight in queryset:
            unit_of(request).run(services.cancel_flight, flight.pk)

The service writes in the transaction of the request, beside Django's own writes: all of it
is committed together, or none. A TrivetError that leaves the action becomes a message, and
undoes what the action did.
"""

from typing import Any

from django.db import DEFAULT_DB_ALIAS, connections
from django.http import HttpRequest
from sqlalchemy.orm import Session

from trivet.context import context_of
from trivet.data.session import TrivetSession
from trivet.data.unit_of_work import UnitOfWork
from trivet.identity import ANONYMOUS, Identity


def unit_of(request: HttpRequest) -> UnitOfWork[Session]:
    """The unit of work of this request; its verbs are called, not awaited.

    Args:
        request: The request that the view serves.

    Returns:
        The one unit of the request's transaction.

    Raises:
        TransactionManagementError: The request is safe (GET), and has no transaction.
    """
    del request  # there is one transaction a thread; the argument keeps it where it is served
    connection: Any = connections[DEFAULT_DB_ALIAS]
    unit: UnitOfWork[Session] = connection.shared_transaction.unit
    return unit


def unit_session(request: HttpRequest) -> TrivetSession:
    """The session of `unit_of`, for work that is no service's.

    Args:
        request: The request that the view serves.

    Returns:
        The session. It cannot end the transaction.

    Raises:
        TransactionManagementError: The request is safe (GET), and has no transaction.
    """
    session = unit_of(request).session
    assert isinstance(session, TrivetSession)
    return session


def actor_of(request: HttpRequest) -> Identity:
    """The identity behind this request, as services know people.

    Args:
        request: The request that the view serves.

    Returns:
        The identity; `ANONYMOUS` where no platform stands around Django.
    """
    scope = getattr(request, "scope", None)
    return ANONYMOUS if scope is None else context_of(scope).identity
