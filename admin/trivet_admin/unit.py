"""For the authors of ``admin.py``: how an action calls a service.

::

    @admin.action(description="Cancel flights")
    def cancel(self, request, queryset):
        for flight in queryset:
            services.cancel_flight(unit_session(request), actor_of(request), flight.pk)

The service writes in the transaction of the request, beside Django's own writes: all of it
is committed together, or none. A TrivetError that leaves the action becomes a message, and
undoes what the action did.
"""

from typing import Any

from django.db import DEFAULT_DB_ALIAS, connections
from django.http import HttpRequest

from trivet.context import context_of
from trivet.data.session import TrivetSession
from trivet.identity import ANONYMOUS, Identity


def unit_session(request: HttpRequest) -> TrivetSession:
    """The SQLAlchemy session of this request's transaction.

    Raises TransactionManagementError in a safe request (GET), which has none.
    """
    del request  # there is one unit a thread; the argument keeps it where a request is served
    connection: Any = connections[DEFAULT_DB_ALIAS]
    session: TrivetSession = connection.session
    return session


def actor_of(request: HttpRequest) -> Identity:
    """Who makes this request, as services know people."""
    scope = getattr(request, "scope", None)
    return ANONYMOUS if scope is None else context_of(scope).identity
