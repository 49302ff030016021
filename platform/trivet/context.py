"""What one request carries: its id, its identity, its unit of work.

One typed object under ``scope["state"]``, where every mounted ASGI app can reach it, and
in a context variable, where code without a scope (a log line, Django's ORM) can.
"""

from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from trivet.identity.identity import ANONYMOUS, Identity

if TYPE_CHECKING:
    from trivet.data.unit_of_work import UnitOfWork
    from trivet.platform import Platform

STATE_KEY = "trivet"
_current: ContextVar["RequestContext | None"] = ContextVar("trivet_context", default=None)
_origin: ContextVar[str] = ContextVar("trivet_origin", default="background")


@dataclass(slots=True)
class RequestContext:
    """The life of one request (or one WebSocket connection).

    `unit` is there for http requests behind the unit-of-work middleware; a WebSocket has
    none, because it opens one unit a message (`Platform.unit`). `published` collects the
    channels that commits of this request moved, for the bell. `mount` and `route` name
    where the request went, for the log.
    """

    platform: "Platform"
    request_id: str
    identity: Identity = ANONYMOUS
    published: dict[str, int] = field(default_factory=dict)
    mount: str = ""
    route: str = ""
    _unit: "UnitOfWork | None" = None

    @property
    def unit(self) -> "UnitOfWork":
        """This request's unit of work; RuntimeError where there is none."""
        if self._unit is None:
            raise RuntimeError(
                "there is no unit of work here: a WebSocket opens one a message with "
                "'async with platform.unit(context)'"
            )
        return self._unit

    @unit.setter
    def unit(self, unit: "UnitOfWork") -> None:
        self._unit = unit


def context_of(scope: Mapping[str, Any]) -> RequestContext:
    """The context of an ASGI scope; RuntimeError if it did not pass Trivet's middleware."""
    context = scope.get("state", {}).get(STATE_KEY)
    if not isinstance(context, RequestContext):
        raise RuntimeError(  # noqa: TRY004  # not a wrong type: a wrong place
            "this scope has not passed Trivet's middleware stack"
        )
    return context


def current_context() -> RequestContext | None:
    """The context of the request that this task or thread serves, if any."""
    return _current.get()


def enter_context(scope: Any, context: RequestContext) -> None:
    """Make `context` the one of `scope` and of this task."""
    scope.setdefault("state", {})[STATE_KEY] = context
    _current.set(context)


def enter_origin(name: str) -> None:
    """Say by which way the work of this task or thread comes in, where no request does
    (``cli``); the audit trail notes it."""
    _origin.set(name)


def current_origin() -> str:
    """The way by which work without a request comes in; ``background`` by default."""
    return _origin.get()
