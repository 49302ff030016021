"""One call of the server API: the hub, and on whose behalf it is."""

from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

from trivet.origin import Origin
from trivet_realtime.declared import Unit
from trivet_realtime.hub import Hub


@dataclass(frozen=True, slots=True)
class Call:
    """Where a command of the server API is handled. `origin` names the key, for the trail."""

    hub: Hub
    origin: Origin

    def open_unit(self, *, read_only: bool = False) -> AbstractAsyncContextManager[Unit]:
        """A unit of work of this call."""
        return self.hub.platform.open_unit(self.origin, read_only=read_only)
