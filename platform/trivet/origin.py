"""Where a change comes from: who acts, by which way, and in which request.

A request knows far more than that (`trivet.context`), and what lies below the ASGI layer must
not know a request. So a unit of work takes this one small value when it opens, and the audit
trail writes it down.

The origin of a task or thread stands in a context variable, for code that is handed nothing:
Django's ORM, a background task, a command.
"""

from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass, replace

from trivet.identity.identity import ANONYMOUS, Identity


@dataclass(frozen=True, slots=True)
class Origin:
    """Where the changes of one transaction come from.

    Attributes:
        actor: Who acts; None where nobody is known, as in background work.
        way: The mount that serves the request (``api``, ``admin``), ``cli`` or ``background``.
        request_id: The request's id; empty outside of a request.
    """

    actor: Identity | None = None
    way: str = "background"
    request_id: str = ""

    @property
    def identity(self) -> Identity:
        """The actor as services take one: nobody is `ANONYMOUS`."""
        return self.actor or ANONYMOUS

    def by(self, actor: Identity | None) -> "Origin":
        """The same origin with another actor; None leaves it as it is."""
        return self if actor is None else replace(self, actor=actor)


BACKGROUND = Origin()

_current: ContextVar[Callable[[], Origin]] = ContextVar("trivet_origin", default=lambda: BACKGROUND)


def enter_origin(origin: Origin | Callable[[], Origin]) -> Callable[[], None]:
    """Say where the changes of this task or thread come from, from here on.

    Args:
        origin: The value, or a function that makes it when a unit of work opens: a request
            learns its identity and its mount on the way.

    Returns:
        What makes it again as it was before; whoever says it for good needs it not.
    """
    token = _current.set((lambda: origin) if isinstance(origin, Origin) else origin)
    return lambda: _current.reset(token)


def current_origin() -> Origin:
    """Where the changes of this task or thread come from at this moment."""
    return _current.get()()
