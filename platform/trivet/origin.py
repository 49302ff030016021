"""The origin of a change: its actor, its way and its request.

A request knows far more than that (`trivet.context`), but code below the ASGI layer must not know
a request. So a unit of work gets this one small value when it opens, and the audit trail stores
it.

A context variable holds the origin of a task or thread, for code that gets no argument: Django's
ORM, a background task, a command.
"""

from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass, replace

from trivet.identity.identity import ANONYMOUS, Identity


@dataclass(frozen=True, slots=True)
class Origin:
    """The origin of the changes of one transaction.

    Attributes:
        actor: The identity that acts; None if nobody is known, as in background work.
        way: The mount that serves the request (``api``, ``admin``), ``cli`` or ``background``.
        request_id: The request's id; empty outside of a request.
    """

    actor: Identity | None = None
    way: str = "background"
    request_id: str = ""

    @property
    def identity(self) -> Identity:
        """The actor in the form for services: `ANONYMOUS` if nobody is known."""
        return self.actor or ANONYMOUS

    def by(self, actor: Identity | None) -> "Origin":
        """The same origin with another actor; None keeps the actor."""
        return self if actor is None else replace(self, actor=actor)


BACKGROUND = Origin()

_current: ContextVar[Callable[[], Origin]] = ContextVar("trivet_origin", default=lambda: BACKGROUND)


def enter_origin(origin: Origin | Callable[[], Origin]) -> Callable[[], None]:
    """Set the origin of later changes of this task or thread.

    Args:
        origin: The value, or a function that makes it when a unit of work opens: a request
            learns its identity and its mount on the way.

    Returns:
        A function that restores the previous origin.
    """
    token = _current.set((lambda: origin) if isinstance(origin, Origin) else origin)
    return lambda: _current.reset(token)


def current_origin() -> Origin:
    """The present origin of changes of this task or thread."""
    return _current.get()()
