"""The realtime room: the Centrifuge client protocol over WebSocket, at ``/ws``.

A feature's ``realtime.py`` needs nothing but what stands here::

    from trivet_realtime import Identity, channel

    @channel("departures:{airport}")
    def board(identity: Identity, airport: str) -> bool:
        return True

A rule that calls services takes the unit of work of the message, and awaits it::

    @channel("departures:gate:{gate}")
    async def gate(unit: Unit, gate: str) -> bool:
        return await unit.run(services.may_watch, gate)
"""

from sqlalchemy.orm import Session

from trivet.errors import Forbidden, NotFound, Unauthenticated
from trivet.identity import Identity, require_authenticated, require_permission
from trivet.identity.policy import authenticated, public, requires, staff
from trivet_realtime.channels import channel
from trivet_realtime.client_calls import message, publication, rpc
from trivet_realtime.declared import Unit
from trivet_realtime.namespaces import Namespace

__all__ = [
    "Forbidden",
    "Identity",
    "Namespace",
    "NotFound",
    "Session",
    "Unauthenticated",
    "Unit",
    "authenticated",
    "channel",
    "message",
    "public",
    "publication",
    "require_authenticated",
    "require_permission",
    "requires",
    "rpc",
    "staff",
]
