"""Whether anybody but this product listens to what a session does.

Where nobody does, rows are written without objects (`trivet.data.bulk.light_rows`), and a row
without a session (`trivet.data.lone_inserts`): nobody can notice the difference.
"""

from collections import Counter
from collections.abc import Collection, Iterable
from functools import cache
from typing import Any

from sqlalchemy import Table
from sqlalchemy.orm import Mapper

from trivet.data.session import TrivetSession
from trivet.identity.keys import ApiKey

OURS: Counter[str] = Counter()
"""How many listeners of our own each event of a mapper and of a session has
(`trivet.data.listeners`)."""
_OF_ONE_ROW = frozenset(
    {
        *("before_attach", "after_attach", "transient_to_pending", "pending_to_persistent"),
        *("persistent_to_detached", "before_flush", "after_flush", "after_flush_postexec"),
        *("before_commit", "after_commit", "after_begin"),
        *("after_transaction_create", "after_transaction_end"),
    }
)
"""The events of a session in which one new row is flushed and committed."""


def is_one_table(mapper: Mapper[Any]) -> bool:
    """Whether a row of a class is one row of a table, and no key, which our functions judge."""
    is_key = issubclass(mapper.class_, ApiKey)
    return isinstance(mapper.local_table, Table) and len(mapper.tables) == 1 and not is_key


def hear_any(dispatch: Any, names: Iterable[str]) -> bool:
    """Whether somebody else listens to one of these events of a mapper or of a session."""
    for name in names:  # noqa: SIM110  # asked for each row: a generator costs more
        if len(getattr(dispatch, name)) > OURS[name]:
            return True
    return False


def hear_sessions() -> bool:
    """Whether somebody else listens to an event that one new row causes in any session of ours."""
    return sum(map(len, _listening())) > _expected()


@cache
def _expected() -> int:
    return sum(OURS[name] for name in _OF_ONE_ROW)


@cache
def _listening() -> tuple[Collection[Any], ...]:
    """Those who listen to each of these events; they may become more."""
    found = []
    for name in _OF_ONE_ROW:
        event: Any = getattr(TrivetSession.dispatch, name)
        event.update_subclass(TrivetSession)  # what listens to every session listens to ours
        found.append(event._clslevel[TrivetSession])  # noqa: SLF001  # there is no public way; pinned by a test
    return tuple(found)
