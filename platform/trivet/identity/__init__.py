"""The identity of a caller: one frozen answer for every mounted app.

The platform knows no user model. Each room brings an `Authenticator`. The identity middleware asks
them once for each request, and all code behind it reads the same `Identity`.
"""

from trivet.identity.django_tables import users
from trivet.identity.grants import grant_as
from trivet.identity.identity import (
    ANONYMOUS,
    Identity,
    require_authenticated,
    require_permission,
    system,
)
from trivet.identity.revocation import Revocation, RevocationScope
from trivet.identity.tokens import Tokens
from trivet.identity.user import User

__all__ = [
    "ANONYMOUS",
    "Identity",
    "Revocation",
    "RevocationScope",
    "Tokens",
    "User",
    "grant_as",
    "require_authenticated",
    "require_permission",
    "system",
    "users",
]
