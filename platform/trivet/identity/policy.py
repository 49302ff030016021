"""Policies: the conditions under which a caller may use a route, a page or a channel.

Each of them has a policy, which stands where it is defined. A policy is the same object
everywhere:

    @router.post("/flights", dependencies=[requires("departures.add_flight")])    # api.py
    page("/desk", desk, policy=requires("departures.change_flight"))              # web.py
    @channel("departures:{airport}", policy=authenticated)                        # realtime.py

A path that no policy covers is refused.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from starlette.requests import Request

from trivet.errors import Forbidden
from trivet.identity.identity import Identity, require_authenticated, require_permission

if TYPE_CHECKING:
    # FastAPI's annotations ask for its own `Depends`, which this package may not import.
    _Dependency = Any
else:
    _Dependency = object


@dataclass(frozen=True)
class Policy(_Dependency):  # type: ignore[misc]  # an Any for type checkers, see above
    """A check of the caller, for routes, pages and channels alike.

    Attributes:
        words: The name that ``trivet routes`` shows.
        check: A function of the identity. It raises Unauthenticated or Forbidden, or returns.
        permissions: The permissions that the check asks for, as ``app.codename``.
    """

    words: str
    check: Callable[[Identity], None]
    permissions: frozenset[str] = frozenset()

    # FastAPI reads these attributes of the objects in `dependencies=[…]`, where a policy stands. A
    # policy depends on the request only, and so costs one call.
    use_cache = True
    scope = None
    max_concurrency = None
    _concurrency = None

    @property
    def dependency(self) -> "Policy":
        """FastAPI calls this where it solves the policy as a dependency."""
        return self

    async def __call__(self, request: Request) -> None:
        self.check(request.scope["user"])  # where the root's middleware puts the identity


def _anyone(_identity: Identity) -> None: ...


def _require_staff(identity: Identity) -> None:
    require_authenticated(identity)
    if not (identity.is_staff or identity.is_superuser):
        raise Forbidden("not-staff", "This is for staff.")


public = Policy("public", _anyone)
"""The policy for everybody, known or not."""

authenticated = Policy("authenticated", require_authenticated)
"""The policy for everybody who is logged in or sends a key: 401 for others."""

staff = Policy("staff", _require_staff)
"""The policy for staff and superusers: 401 for an anonymous caller, 403 for any other."""

its_own = Policy("its own", _anyone)
"""The policy of a mounted application that decides itself, by ``scope["user"]``."""


def requires(permission: str) -> Policy:
    """The policy for callers who hold a permission.

    It answers 401 to an anonymous caller and 403 to any other who does not hold it.

    Args:
        permission: Its name as Django has it, ``app.codename``. An application with a name that
            no model has does not start.

    Returns:
        The policy, for a route's ``dependencies``, a page's or a channel's ``policy``.
    """
    return _holding(permission)


@cache
def _holding(permission: str) -> Policy:
    """One object for each permission, so that policies of the same meaning are equal."""
    return Policy(
        permission,
        lambda identity: require_permission(identity, permission),
        frozenset({permission}),
    )


def parse_policy(text: str) -> Policy:
    """The policy that a setting names: public, authenticated, staff, its-own or a permission."""
    named = {"public": public, "authenticated": authenticated, "staff": staff, "its-own": its_own}
    return named.get(text) or requires(text)
