"""What this process was configured with.

Django is global to a process, so what its database backend needs of the platform has to be
found without a request too: the feeds, the audit trail, and whom to tell of a commit.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from trivet import Platform
from trivet.audit import AuditTrail
from trivet.context import current_context
from trivet.events.feeds import FeedRegistry, collect_feeds
from trivet.features import Feature, modules_of
from trivet.identity import Revocations
from trivet.identity.throttle import LoginThrottle


@dataclass(slots=True)
class _Runtime:
    feeds: FeedRegistry = field(default_factory=FeedRegistry)
    audit: AuditTrail | None = None
    platform: Platform | None = None


_runtime = _Runtime()


def set_features(features: tuple[Feature, ...]) -> None:
    """Take the feeds of `features`."""
    _runtime.feeds = collect_feeds(module for _, module in modules_of(features, "events"))


def set_audit(trail: AuditTrail | None) -> None:
    """Take the trail that notes what Django's transactions change; None: nothing is noted."""
    _runtime.audit = trail


def audit() -> AuditTrail | None:
    """The audit trail that Django was configured with."""
    return _runtime.audit


def set_platform(platform: Platform) -> None:
    """Remember the platform that the admin was mounted for; the latest counts."""
    _runtime.platform = platform


def feeds() -> FeedRegistry:
    """The feeds of the features that Django was configured with."""
    return _runtime.feeds


def revocations() -> Revocations | None:
    """Whom to tell of a revocation: the platform of the request, else of the process."""
    platform = _platform()
    return None if platform is None else platform.revocations


def login_throttle() -> LoginThrottle:
    """Who counts failed logins. Without a platform (Django's own test client) nobody does."""
    platform = _platform()
    return LoginThrottle() if platform is None else platform.login_throttle


def deliver(published: Mapping[str, int]) -> None:
    """Pass on what a commit published: to the request, whose middleware rings the bell after
    the response, or without one to the bell itself."""
    if not published:
        return
    context = current_context()
    if context is not None:
        context.published.update(published)
    elif _runtime.platform is not None:
        _runtime.platform.bell.ring(published)


def _platform() -> Platform | None:
    context = current_context()
    return _runtime.platform if context is None else context.platform
