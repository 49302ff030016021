"""The platform that all rooms share: the root application, identity, database and events.

Features import from here, and from the other modules of the reference. Everything else is
internal.
"""

from trivet.context import RequestContext, context_of
from trivet.data.unit_of_work import UnitOfWork
from trivet.errors import (
    Conflict,
    Forbidden,
    InputError,
    Invalid,
    NotFound,
    PreconditionFailed,
    TooManyRequests,
    TrivetError,
    Unauthenticated,
    Unavailable,
)
from trivet.identity.identity import Identity
from trivet.identity.policy import Policy, authenticated, public, requires, staff
from trivet.identity.user import User
from trivet.models import Model, Versioned
from trivet.outcome import commits_on
from trivet.platform import Platform

__all__ = [
    "Conflict",
    "Forbidden",
    "Identity",
    "InputError",
    "Invalid",
    "Model",
    "NotFound",
    "Platform",
    "Policy",
    "PreconditionFailed",
    "RequestContext",
    "TooManyRequests",
    "TrivetError",
    "Unauthenticated",
    "Unavailable",
    "UnitOfWork",
    "User",
    "Versioned",
    "authenticated",
    "commits_on",
    "context_of",
    "public",
    "requires",
    "staff",
]
