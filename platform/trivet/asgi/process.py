"""The start and the stop of a process, each one list that is read from top to bottom.

The server starts both: ``lifespan.startup`` runs the first list, ``lifespan.shutdown`` the second
(ASGI specification, "Lifespan Protocol"). uvicorn and our Gunicorn worker send the shutdown only
after they have closed their listening socket, ended every WebSocket and waited `shutdown_seconds`
for requests. Our worker calls `Lifecycle.drain` on the signal itself, and its sockets tell the hub
to drain then. So the first two steps of `stopping` may run twice, which changes nothing.
"""

import asyncio
from collections.abc import Sequence
from typing import Any

from starlette.types import Receive, Scope, Send

from trivet.asgi.lifespan import Lifespan
from trivet.asgi.mount import MountedApp
from trivet.asgi.open_files import OpenFiles
from trivet.asgi.watchdog import Watchdog
from trivet.errors import TrivetError
from trivet.lifecycle import Step
from trivet.platform import Platform


class Process:
    """A platform with its mounted apps, from their start to their stop."""

    def __init__(self, platform: Platform, mounts: Sequence[MountedApp]) -> None:
        self.platform = platform
        self.mounts = tuple(mounts)
        self.watchdog = Watchdog(platform.settings.blocked_seconds)
        self.open_files = OpenFiles()
        seconds = platform.settings.start_seconds or None
        self.lifespans = [
            Lifespan(each.name, each.app, seconds) for each in mounts if each.lifespan
        ]

    def starting(self) -> list[Step]:
        """The steps of starting, in the order in which they run."""
        platform = self.platform
        return [
            # Messages of other processes arrive before anything could rely on them.
            Step("the broker is connected", platform.broker.start),
            # Commits from here on are delivered.
            Step("the relay delivers", platform.relay.start),
            # Publications that are past their time are removed at intervals.
            Step("old publications are removed", platform.retention.start),
            # Uses of keys are written at intervals.
            Step("uses of keys are written", platform.key_uses.start),
            # Expired sessions are removed at intervals.
            Step("expired sessions are removed", platform.expired_sessions.start),
            # Answers that nobody will ask for again are removed at intervals.
            Step("old answers are removed", platform.kept_answers.start),
            # Queues are measured at intervals.
            Step("queues are measured", platform.observers.start),
            # Code that blocks the event loop is named in the log.
            Step("the event loop is watched", self.watchdog.start),
            # A process that soon can take no more connections is named in the log.
            Step("open files are watched", self.open_files.start),
            # Replicas are read from as soon as they have answered.
            *([Step("replicas are watched", platform.replicas.start)] if platform.replicas else ()),
            # Each mounted app, in order: at its start the parts above run already.
            *(Step(f"{each.name} has started", each.start) for each in self.lifespans),
        ]

    def stopping(self) -> list[Step]:
        """The steps of stopping, in the order in which they run."""
        platform = self.platform
        return [
            # The balancer sends nothing new: /readyz is 503 from here on.
            Step("not ready for the balancer", self._leave_balancer, seconds=0.5),
            # Clients of sockets go to another process and recover there.
            Step("sockets are told to go elsewhere", self._drain_mounts, seconds=5),
            # Requests that have begun get their answers; the server has waited for them before.
            Step("requests are finished", platform.lifecycle.requests.wait_finished, seconds=3),
            # Each mounted app, in reverse order: at its stop the parts below still run.
            *(
                Step(f"{each.name} has stopped", each.stop, seconds=2)
                for each in reversed(self.lifespans)
            ),
            # Queues that are being closed are not measured.
            Step("queues are measured no more", platform.observers.stop, seconds=1),
            # The loop is used up by what follows, and nobody waits for it any more.
            Step("the event loop is watched no more", self.watchdog.stop, seconds=1),
            # Whoever still connects is refused anyway.
            Step("open files are watched no more", self.open_files.stop, seconds=0.5),
            # Old answers are left to other processes.
            Step("no answer is being removed", platform.kept_answers.stop, seconds=1),
            # Expired sessions are left to other processes.
            Step("no session is being removed", platform.expired_sessions.stop, seconds=1),
            # What this process knows of the use of keys is in the database.
            Step("uses of keys are written", platform.key_uses.stop, seconds=2),
            # Old publications are left to other processes.
            Step("no publication is being removed", platform.retention.stop, seconds=2),
            # The relay has come to the end of what it was delivering.
            Step("the relay is drained", platform.relay.stop, seconds=4),
            # Whatever is still read comes from the primary.
            *([Step("replicas are left", platform.replicas.stop, 2)] if platform.replicas else ()),
            # No message is sent or received any more.
            Step("the broker is disconnected", platform.broker.stop, seconds=1),
            # No connection is needed any more.
            Step("connections are closed", platform.database.close, seconds=2),
        ]

    async def serve_lifespan(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Start and stop, and report both to the server. A start that fails stops the parts that
        have started, and the server gets one sentence."""
        lifecycle = self.platform.lifecycle
        await receive()
        try:
            await lifecycle.start(self.starting())
        except BaseException as error:
            await lifecycle.stop(self.stopping())
            if not isinstance(error, TrivetError):
                raise
            await send({"type": "lifespan.startup.failed", "message": error.detail})
            return
        state: dict[str, Any] = scope.get("state", {})
        for lifespan in self.lifespans:
            state.update(lifespan.state)
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await lifecycle.stop(self.stopping())
        await send({"type": "lifespan.shutdown.complete"})

    async def _leave_balancer(self) -> None:
        # A balancer that asks every few seconds needs a wait here, before anything is closed.
        # It belongs to a server that drains on the signal: under uvicorn nobody can ask now.
        self.platform.lifecycle.drain()

    async def _drain_mounts(self) -> None:
        # Side by side, because all of them share the step's seconds.
        drains = (mounted.drain() for mounted in self.mounts)
        results = await asyncio.gather(*drains, return_exceptions=True)
        if errors := [each for each in results if isinstance(each, Exception)]:
            raise ExceptionGroup("some connections were not sent elsewhere", errors)
