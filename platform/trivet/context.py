"""The context of one request: its id, its identity, its unit of work.

One typed object under ``scope["state"]``, where every mounted ASGI app can reach it, and
in a context variable, where code without a scope (a log line, Django's ORM) can.

What lies below the ASGI layer knows none of this: a unit of work is given the request's
`Origin` when it opens.
"""

from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from trivet.data.replicas.client import ClientPosition
from trivet.data.replicas.replica import Replica
from trivet.data.transaction import AsyncTransaction
from trivet.data.unit_of_work import UnitOfWork
from trivet.idempotency.claim import KeyClaim
from trivet.identity.identity import ANONYMOUS, Identity
from trivet.origin import Origin, enter_origin
from trivet.outcome import NOTHING
from trivet.platform import Platform

STATE_KEY = "trivet"
_current: ContextVar["RequestContext | None"] = ContextVar("trivet_context", default=None)


def _keep_body() -> None:
    return


class Lasting:
    """What goes on when its ASGI call has returned: an open socket that needs no call.

    The middleware owes something at the end of what it serves, such as a line in the log. It hands
    that over here, and whoever keeps the socket open calls `end`.
    """

    __slots__ = ("_is_over", "_last")

    def __init__(self) -> None:
        self._is_over = False
        self._last: Callable[[], None] | None = None

    def end(self) -> None:
        """Do what is owed: it is over. A second call does nothing."""
        self._is_over = True
        last, self._last = self._last, None
        if last is not None:
            last()

    def at_end(self, last: Callable[[], None]) -> None:
        """Owe `last`, which is called at the end, or now if that has come already."""
        self._last = last
        if self._is_over:
            self.end()


@dataclass(slots=True)
class RequestContext:
    """The context of one request, or of one WebSocket connection.

    Attributes:
        platform: The shared parts of the process.
        request_id: The id that Trivet gave the request. The log and the audit trail name it.
        identity: The caller.
        mount: The name of the mounted application that serves the request (``api``).
        route: The path template that matched; empty if the application does not tell it.
        commits_on: The refusals that commit (`trivet.commits_on`).
        client_request_id: The id that the client gave the request; empty if it gave none.
        transaction: The transaction. Only the middleware that opened it ends it.
        replica: The replica that was chosen for Django, whose threads cannot wait for one.
        client: The position up to which the client has written; None without replicas.
        lasting: Set by an application that returns while its socket stays open.
    """

    platform: Platform
    request_id: str
    identity: Identity = ANONYMOUS
    mount: str = ""
    route: str = ""
    commits_on: frozenset[int] = NOTHING
    client_request_id: str = ""
    stream_body: Callable[[], None] = _keep_body
    """Says that whoever reads the body keeps none of it. Set by the limits middleware."""
    transaction: AsyncTransaction | None = None
    client: ClientPosition | None = None
    replica: Replica | None = None
    lasting: Lasting | None = None
    claim: KeyClaim | None = None

    @property
    def unit(self) -> UnitOfWork[AsyncSession]:
        """This request's unit of work.

        Raises:
            RuntimeError: There is none: a WebSocket opens one for each message
                (`Platform.open_unit`).
        """
        return UnitOfWork(self.require_transaction())

    def require_transaction(self) -> AsyncTransaction:
        """This request's transaction.

        Raises:
            RuntimeError: There is none: a WebSocket opens one for each message
                (`Platform.open_unit`).
        """
        if self.transaction is None:
            raise RuntimeError(
                "there is no unit of work here: a WebSocket opens one a message with "
                "'async with platform.open_unit()'"
            )
        return self.transaction

    @property
    def published(self) -> Mapping[str, int]:
        """The channels that this request published to, each with its newest offset."""
        return {} if self.transaction is None else self.transaction.published

    @property
    def origin(self) -> Origin:
        """The origin of changes that this request makes."""
        return Origin(self.identity, self.mount or "root", self.request_id)


def context_of(scope: Mapping[str, Any]) -> RequestContext:
    """The context of a request.

    Args:
        scope: The ASGI scope; ``request.scope`` in Starlette and FastAPI.

    Returns:
        The context, which is the same object for the whole request.

    Raises:
        RuntimeError: The scope did not pass Trivet's middleware.
    """
    try:
        context = scope["state"][STATE_KEY]
    except KeyError:
        context = None
    if not isinstance(context, RequestContext):
        raise RuntimeError(  # noqa: TRY004  # not a wrong type: a wrong place
            "this scope has not passed Trivet's middleware stack"
        )
    return context


def current_context() -> RequestContext | None:
    """The context of the request that this task or thread serves, if any."""
    return _current.get()


def enter_context(scope: Any, context: RequestContext) -> Callable[[], None]:
    """Make `context` the one of `scope` and of this task, and the origin of its changes.

    Returns:
        A function that ends this for the task: what the task does next does not belong to this
        request.
    """
    scope.setdefault("state", {})[STATE_KEY] = context
    token = _current.set(context)
    leave_origin = enter_origin(lambda: context.origin)

    def leave() -> None:
        _current.reset(token)
        leave_origin()

    return leave
