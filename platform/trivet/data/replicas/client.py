"""The place in the log up to which one client has written.

It stands in a context variable while a request is served. The connections of both ORMs ask for it
when they commit (`trivet.data.postgresql_connection`): without one, as in a process that has no
replicas, a COMMIT is what it always was.
"""

from collections.abc import Callable
from contextvars import ContextVar

from trivet.data.replicas.position import WalPosition

_current: ContextVar["ClientPosition | None"] = ContextVar("trivet_client_position", default=None)


class ClientPosition:
    """The position of the client whose request is served.

    Args:
        given: The position that came with the request; None if the client has written nothing.

    Attributes:
        newest: A reader has to see everything up to here; None is nothing in particular.
        written: The position of the last commit of this request; None without one.
    """

    __slots__ = ("newest", "written")

    def __init__(self, given: WalPosition | None = None) -> None:
        self.newest = given
        self.written: WalPosition | None = None

    def note(self, position: WalPosition) -> None:
        """Take in the position of a commit."""
        self.newest = position if self.newest is None else max(self.newest, position)
        self.written = position if self.written is None else max(self.written, position)


def current_client() -> ClientPosition | None:
    """The position of the client that this task or thread serves, if any."""
    return _current.get()


def enter_client(client: ClientPosition) -> Callable[[], None]:
    """Let this task, and the threads that it starts, serve `client`.

    Returns:
        A function that ends this.
    """
    token = _current.set(client)
    return lambda: _current.reset(token)
