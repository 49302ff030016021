"""Rules of visibility that show more rows than they say, or name what does not exist."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from sqlalchemy import inspect
from sqlalchemy.orm import Mapper

from trivet.feature_errors import find_places
from trivet.features import Feature, modules_of
from trivet.identity import ANONYMOUS, Identity
from trivet.rules.correlation import find_uncorrelated
from trivet.rules.declaring import declared_in
from trivet.rules.visibility import Changeable, Visible, named
from trivet.source_files import shown
from trivet.suggestion import did_you_mean

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


def find_nameless_rules(features: Sequence[Feature]) -> Iterator[str]:
    """A sentence for each rule about who sees or sets what that asks a class or a module for a name
    that it has not. Every page and request that is under the rule would fail."""
    for feature, module in modules_of(features, "rules"):
        for declared in declared_in(module):
            if isinstance(declared, Visible | Changeable):
                yield from dict.fromkeys(_nameless(declared, feature.folder))


def _nameless(declared: Visible | Changeable, folder: Path) -> Iterator[str]:
    for actor in ASKING:
        try:
            declared.function(actor)
        except (AttributeError, NameError) as error:
            places = find_places(error, (folder,))
            where = f"{shown(places[-1][0])}:{places[-1][1]}: " if places else ""
            mapper = inspect(getattr(error, "obj", None), raiseerr=False)
            known = mapper.attrs.keys() if isinstance(mapper, Mapper) else ()
            hint = did_you_mean(error.name or "", known)
            yield f"{where}the rule {named(declared.function)} fails: {error}{hint}"
        except Exception:  # noqa: BLE001, S112  # what this actor is told is the rule's own affair
            continue


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
