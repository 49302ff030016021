"""The configuration of this process.

Django is global to a process, so what its database backend needs of the platform has to be
found without a request too: the capture of changes, and the broker.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from trivet import Platform
from trivet.broker import Broker
from trivet.context import current_context
from trivet.data.capture import Capture
from trivet.data.outages import Outage
from trivet.data.replicas.replica import Replica
from trivet.events.wake_up import publish_wake_up
from trivet.identity import Revocation
from trivet.identity.throttle import LoginThrottle
from trivet.observation import Observers
from trivet_admin.configuration import postgresql
from trivet_settings.values import Pooler


@dataclass(slots=True)
class _Runtime:
    capture: Capture = field(default_factory=Capture)
    platform: Platform | None = None
    projection: Mapping[str, Any] = field(default_factory=dict)


_runtime = _Runtime()
_nobody = Observers()


def set_capture(capture: Capture) -> None:
    """Take what becomes of the changes that Django's transactions make."""
    _runtime.capture = capture


def capture() -> Capture:
    """The capture of changes in this process."""
    return _runtime.capture


def set_projection(projection: Mapping[str, Any]) -> None:
    """Remember the settings that Django was configured with."""
    _runtime.projection = projection


def projection() -> Mapping[str, Any]:
    """The settings that Django was configured with; empty if somebody else did it."""
    return _runtime.projection


def set_platform(platform: Platform) -> None:
    """Remember the platform that the admin was mounted for; the latest counts. From here on its
    capture is Django's too."""
    _runtime.platform = platform
    _runtime.capture = platform.capture


def broker() -> Broker | None:
    """The broker of the request's platform, else of the process; None where there is neither
    (Django's own test client)."""
    platform = find_platform()
    return None if platform is None else platform.broker


def observers() -> Observers:
    """The observers of this process; none where there is no platform."""
    platform = find_platform()
    return _nobody if platform is None else platform.observers


def login_throttle() -> LoginThrottle:
    """The counter of failed logins; None without a platform (Django's own test client)."""
    platform = find_platform()
    return LoginThrottle() if platform is None else platform.login_throttle


def note_outage(outage: Outage) -> None:
    """Have the probes of this process know what stopped a write."""
    platform = find_platform()
    if platform is not None:
        platform.database.note_outage(outage)


def statement_seconds() -> float | None:
    """The time limit of a statement; None where nothing is served, as in a command."""
    platform = find_platform()
    return None if platform is None else platform.database.statement_seconds


def pooler() -> Pooler:
    """What stands in front of PostgreSQL."""
    platform = find_platform()
    return "none" if platform is None else platform.settings.database_pooler


def replica_database(replica: Replica) -> dict[str, Any]:
    """Django's settings of a database that is `replica`."""
    platform = find_platform()
    assert platform is not None, "only a platform sends readers to a replica"
    return postgresql(replica.url, platform.settings)


def deliver(published: Mapping[str, int]) -> None:
    """Wake the delivery of what a commit published; without a platform the next poll finds it."""
    platform = find_platform()
    if platform is not None:
        publish_wake_up(platform.broker, published)


def publish_revocations(revocations: Iterable[Revocation]) -> None:
    """Publish what a commit has revoked; without a platform nobody trusts it."""
    carrier = broker()
    if carrier is not None:
        for revocation in revocations:
            carrier.publish(revocation)


def find_platform() -> Platform | None:
    """The request's platform, else that of the process; None in Django's own test client."""
    context = current_context()
    return _runtime.platform if context is None else context.platform
