"""Policies: who may use a route. Each route has one, and says it where it is defined.

The API's routes, the pages of features and whole mounts use the same words; a path that no
policy covers is refused.
"""

from collections.abc import Callable
from dataclasses import dataclass

from trivet.errors import Forbidden
from trivet.identity.identity import Identity, require_authenticated, require_permission


@dataclass(frozen=True)
class Policy:
    """A check of the identity, with the words for ``trivet routes``.

    `check` raises Unauthenticated or Forbidden.
    """

    words: str
    check: Callable[[Identity], None]


def _anyone(_identity: Identity) -> None: ...


def _require_staff(identity: Identity) -> None:
    require_authenticated(identity)
    if not (identity.is_staff or identity.is_superuser):
        raise Forbidden("not-staff", "This is for staff.")


public = Policy("public", _anyone)
"""Anyone."""

authenticated = Policy("authenticated", require_authenticated)
"""Anyone who is known; 401 otherwise."""

staff = Policy("staff", _require_staff)
"""Staff and superusers: 401 for nobody, 403 for anybody else."""

its_own = Policy("its own", _anyone)
"""A mounted application that decides for itself: it finds the identity in ``scope["user"]``."""


def requires(permission: str) -> Policy:
    """Who holds `permission` (``app.codename``): 401 for nobody, 403 for anybody else."""
    return Policy(permission, lambda identity: require_permission(identity, permission))


def parse_policy(text: str) -> Policy:
    """The policy that a setting names: public, authenticated, staff, its-own or a permission."""
    named = {"public": public, "authenticated": authenticated, "staff": staff, "its-own": its_own}
    return named.get(text) or requires(text)
