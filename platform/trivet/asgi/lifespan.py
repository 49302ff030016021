"""The lifespan of a mounted app.

Starlette does not pass the lifespan scope to the apps that it mounts, so each app gets a lifespan
task of its own here. Source: the ASGI specification, "Lifespan Protocol" 2.0. An exception before
``startup.complete`` means that the app does not support lifespans, as in Django. Only
``startup.failed`` means that the app could not start.
"""

import asyncio
import logging
from typing import Any

from starlette.types import ASGIApp, Message

from trivet.errors import ConfigurationError

logger = logging.getLogger(__name__)


class LifespanFailed(ConfigurationError):
    """An app reported that it could not start or stop."""


class Lifespan:
    """The lifespan of `app`; `state` holds the values that the app set at its start.

    An app without lifespan support is left alone. One that has not started after `seconds` has
    failed to; None: it is waited for.
    """

    def __init__(self, name: str, app: ASGIApp, seconds: float | None = None) -> None:
        self.name = name
        self.app = app
        self._seconds = seconds
        self.state: dict[str, Any] = {}
        self._inbox: asyncio.Queue[Message] = asyncio.Queue()
        self._outbox: asyncio.Queue[Message | None] = asyncio.Queue()
        self._task: asyncio.Task[None] | None = None
        self._supported = True

    async def start(self) -> None:
        """Start the app. Raises LifespanFailed, with name and reason, if it reports a failure, or
        nothing in time."""
        self._task = asyncio.create_task(self._run(), name=f"lifespan of {self.name}")
        await self._inbox.put({"type": "lifespan.startup"})
        try:
            async with asyncio.timeout(self._seconds):
                answer = await self._outbox.get()
        except (asyncio.CancelledError, TimeoutError) as error:
            self._task.cancel()
            if isinstance(error, asyncio.CancelledError):
                raise
            self._task = None
            raise LifespanFailed(
                "startup-failed",
                f"{self.name} could not start: its lifespan has not answered for "
                f"{self._seconds:g} s (TRIVET_START_SECONDS).",
            ) from None
        if answer is None:
            self._supported = False
            logger.debug("%s does not support the lifespan protocol", self.name)
        elif answer["type"] == "lifespan.startup.failed":
            self._task.cancel()
            self._task = None
            raise LifespanFailed("startup-failed", f"{self.name} could not start: {_why(answer)}")

    async def stop(self) -> None:
        """Stop the app, if it has started. A cancelled stop leaves no task behind."""
        task, self._task = self._task, None
        if not self._supported or task is None:
            return
        try:
            await self._say_goodbye(task)
        except asyncio.CancelledError:
            task.cancel()
            raise

    async def _say_goodbye(self, task: asyncio.Task[None]) -> None:
        await self._inbox.put({"type": "lifespan.shutdown"})
        answer = await self._outbox.get()
        if answer is None:
            logger.warning("%s ended its lifespan without saying that it had stopped", self.name)
        elif answer["type"] == "lifespan.shutdown.failed":
            logger.error("%s could not stop: %s", self.name, _why(answer))
        await asyncio.wait([task])

    async def _run(self) -> None:
        scope = {
            "type": "lifespan",
            "asgi": {"version": "3.0", "spec_version": "2.0"},
            "state": self.state,
        }
        try:
            await self.app(scope, self._inbox.get, self._outbox.put)
        except Exception as error:  # noqa: BLE001  # per ASGI: "unsupported"
            logger.debug("the lifespan of %s ended: %r", self.name, error)
        finally:
            self._outbox.put_nowait(None)


def _why(answer: Message) -> str:
    return str(answer.get("message") or "it gave no reason").strip()
