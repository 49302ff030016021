"""Trivet's hall: the root app, middleware, identity, database and events.

Everything that a room or a feature needs of the platform is imported from here or from
the module that says why it is right.
"""

from trivet.asgi.mount import MountedApp, PageLink
from trivet.context import RequestContext, context_of
from trivet.data.unit_of_work import UnitOfWork
from trivet.errors import (
    Conflict,
    Forbidden,
    Invalid,
    NotFound,
    TooManyRequests,
    TrivetError,
    Unauthenticated,
    Unavailable,
)
from trivet.identity.identity import Identity
from trivet.identity.policy import Policy, authenticated, public, requires, staff
from trivet.models import Model, Versioned
from trivet.outcome import commits_on
from trivet.platform import Platform

__all__ = [
    "Conflict",
    "Forbidden",
    "Identity",
    "Invalid",
    "Model",
    "MountedApp",
    "NotFound",
    "PageLink",
    "Platform",
    "Policy",
    "RequestContext",
    "TooManyRequests",
    "TrivetError",
    "Unauthenticated",
    "Unavailable",
    "UnitOfWork",
    "Versioned",
    "authenticated",
    "commits_on",
    "context_of",
    "public",
    "requires",
    "staff",
]
