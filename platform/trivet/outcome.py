"""The one exception to "status decides": a refusal that is declared as an outcome.

A unit of work is committed if the status is below 400, and otherwise rolled back. But some refusals
are the purpose of a request: a logout that answers 401 (nobody is logged in now), a login that
answers 401 or 409 to ask for its next step. An endpoint, a page or a Django view declares this:

    @router.post("/steps", dependencies=[public])
    @commits_on(401)
    async def log_in_by_steps(…): ...

A mount declares it for everything in it (`MountedApp.commits_on`, TRIVET_MOUNT_COMMITS_ON). Changes
that the database has refused are never committed, whatever is declared.
"""

from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Any, TypeVar

T = TypeVar("T")

_MARK = "__commits_on__"
NOTHING: frozenset[int] = frozenset()


def commits_on(*statuses: int) -> Callable[[T], T]:
    """Commit the changes of an endpoint, a page or a Django view also with these refusals.

    The decorator sets an attribute of the function, and returns the function itself.

    Args:
        *statuses: HTTP statuses from 400 to 499. A fault (500 and above) never commits.

    Returns:
        The decorator.

    Raises:
        ValueError: No status is given, or one is not from 400 to 499.
    """
    declared = refusals(statuses)

    def mark(endpoint: T) -> T:
        setattr(endpoint, _MARK, declared | declared_by(endpoint))
        return endpoint

    return mark


def refusals(statuses: Iterable[int]) -> frozenset[int]:
    """`statuses` as a set. Raises ValueError for a status that is no refusal."""
    given = frozenset(map(int, statuses))
    if not given:
        raise ValueError("name the statuses whose outcome is kept, as in commits_on(401)")
    if odd := sorted(each for each in given if not _is_refusal(each)):
        raise ValueError(
            f"{', '.join(map(str, odd))}: only a refusal (400 to 499) can be an outcome; below "
            "400 everything is committed, and a fault is not an outcome"
        )
    return given


def declared_by(endpoint: Any) -> frozenset[int]:
    """The refusals that `endpoint` declares as outcomes."""
    declared: frozenset[int] = getattr(endpoint, _MARK, NOTHING)
    return declared


def in_words(statuses: Iterable[int]) -> str:
    """The form that ``trivet routes`` shows: ``401, 409``."""
    return ", ".join(map(str, sorted(statuses)))


def _is_refusal(status: int) -> bool:
    return HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR
