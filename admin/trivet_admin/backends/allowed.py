"""Where Django's ORM may be used while a request is served.

A connection of Django's belongs to a thread, and somebody has to give it back. In the admin's
requests, in `run_with_django`, at a login and in the probes that is us. Anywhere else in a request
nobody does: an endpoint's thread would keep its connection until no thread gets one any more, and
its rows would stay when the request fails. So every other use in a request is refused, with the
way to do it. Outside of requests (a command, a shell, a migration) Django is as it always was.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from trivet.context import current_context

_is_allowed: ContextVar[bool] = ContextVar("trivet_django_allowed", default=False)


class DjangoOutsideUnitError(RuntimeError):
    """Django's ORM was used in a request, and in no transaction of ours."""


@contextmanager
def django_allowed() -> Iterator[None]:
    """While this is open, this task, and the threads that it starts, may use Django's ORM. The
    opener gives the connections back."""
    token = _is_allowed.set(True)
    try:
        yield
    finally:
        _is_allowed.reset(token)


def require_allowed_here() -> None:
    """Raise DjangoOutsideUnitError if a request is served here and its connection would be
    nobody's."""
    if _is_allowed.get():
        return
    context = current_context()
    if context is not None:
        raise DjangoOutsideUnitError(
            f"Django's ORM was used directly in a request of {context.mount or 'the root'}. Its "
            "connection would not come back, and its rows would stay if the request failed. Make "
            "the endpoint 'async def', and put the work into a function of its own: "
            "await unit.run_with_django(function), or, after the response, "
            "await platform.run_with_django(function)"
        )
