"""Lists of names in query strings: what to show, to expand, to sort by and to count by."""

from collections.abc import Callable, Sequence

from trivet.suggestion import did_you_mean
from trivet_api.resource.faults import TextFault

_LONGEST = 100
"""In characters; nobody needs more of a name to find it."""


def require_known(
    names: Sequence[str], known: Sequence[str], refusal: Callable[[str], str]
) -> None:
    """Demand that each of `names` is `known`, and stands there once.

    Args:
        names: What was sent.
        known: The names that there are.
        refusal: The sentence, without its dot, about a name in quotes that is none of them.

    Raises:
        TextFault: A name is not known, or stands there twice.
    """
    for name in names:
        if name not in known:
            raise TextFault(f"{refusal(repr(name[:_LONGEST]))}{did_you_mean(name, known)}")
        if names.count(name) > 1:
            raise TextFault(f"{name} stands here twice")
