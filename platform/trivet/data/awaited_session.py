"""The async session of a unit, which knows what of it nobody awaited.

``unit.session.delete(loan)`` without ``await`` deletes nothing. Python warns of it in the log, and
the caller would be told that it is done. A commit therefore refuses such a unit, as it refuses one
with a `run` that nobody awaited.
"""

import inspect
from collections.abc import Coroutine
from typing import Any, TypeVar

from sqlalchemy.ext.asyncio import AsyncSession

T = TypeVar("T")


class AwaitedSession(AsyncSession):
    """SQLAlchemy's own, with a memory of the calls whose loss would be silent.

    A forgotten `get` or `scalars` needs none: its caller trips over the coroutine at once.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._promised: list[tuple[Coroutine[Any, Any, Any], str]] = []

    def require_awaited(self) -> None:
        """Raise RuntimeError, with the call and the cure, for a call that nobody awaited."""
        for promised, verb in self._promised:
            if inspect.getcoroutinestate(promised) == inspect.CORO_CREATED:
                promised.close()  # Python's own warning would say less
                raise RuntimeError(
                    f"session.{verb}(…) was never awaited, so it has not happened, and nothing is "
                    f"committed; write 'await unit.session.{verb}(…)'"
                )

    def _promise(self, verb: str, promised: Coroutine[Any, Any, T]) -> Coroutine[Any, Any, T]:
        self._promised.append((promised, verb))
        return promised

    # Plain functions that return a coroutine: to a caller who awaits them nothing is different.

    def delete(self, instance: object) -> Coroutine[Any, Any, None]:
        return self._promise("delete", super().delete(instance))

    def execute(self, *args: Any, **options: Any) -> Coroutine[Any, Any, Any]:
        return self._promise("execute", super().execute(*args, **options))

    def flush(self, *args: Any, **options: Any) -> Coroutine[Any, Any, None]:
        return self._promise("flush", super().flush(*args, **options))

    def merge(self, *args: Any, **options: Any) -> Coroutine[Any, Any, Any]:
        return self._promise("merge", super().merge(*args, **options))

    def refresh(self, *args: Any, **options: Any) -> Coroutine[Any, Any, None]:
        return self._promise("refresh", super().refresh(*args, **options))
