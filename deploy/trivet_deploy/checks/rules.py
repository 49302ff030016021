"""Rules of visibility that show more rows than they say."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from trivet.features import Feature, modules_of
from trivet.identity import ANONYMOUS, Identity
from trivet.rules.correlation import find_uncorrelated
from trivet.rules.declaring import declared_in
from trivet.rules.visibility import Visible, named

_SOMEBODY = replace(ANONYMOUS, user_id=0, username="somebody", kind="session")
_STAFF = replace(_SOMEBODY, is_staff=True)
ASKING: tuple[Identity, ...] = (_SOMEBODY, _STAFF, ANONYMOUS)
"""Who asks each rule for a condition: nobody who has a permission, for whom a rule narrows most."""


def find_loose_rules(features: Sequence[Feature]) -> Iterator[str]:
    """A sentence for each rule about rows whose condition has a sub-select that means any row of a
    table, where it seems to mean the one that is judged."""
    for _, module in modules_of(features, "rules"):
        for declared in declared_in(module):
            if isinstance(declared, Visible) and not declared.attributes:
                tables = {each for actor in ASKING for each in _uncorrelated(declared, actor)}
                if tables:
                    yield _sentence(declared, sorted(tables))


def _uncorrelated(declared: Visible, actor: Identity) -> list[str]:
    # What a rule does not answer, or answers wrongly, is told where it is asked in earnest.
    with suppress(Exception):
        says: Any = declared.function(actor)
        if not isinstance(says, bool):
            return list(find_uncorrelated(declared.model, says))
    return []


def _sentence(declared: Visible, tables: Sequence[str]) -> str:
    return (
        f"{named(declared.function)} has a sub-select in a sub-select that compares something with "
        f"{' and '.join(tables)}: it reads the whole table, and too many rows are seen. Let the "
        f"inner one say .correlate({declared.model.__name__}), or what else it compares with"
    )
