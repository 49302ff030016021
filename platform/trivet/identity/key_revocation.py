"""Keys that end or change in a flush, as revocations that are published after the commit.

The session itself notes them, so it does not matter who changes a key: a command, the admin, an
endpoint or a script.
"""

from collections.abc import Iterator
from typing import Any

from sqlalchemy import inspect
from sqlalchemy.orm import InstanceState, Session, UOWTransaction

from trivet.identity.keys import ApiKey
from trivet.identity.revocation import Revocation, RevocationScope

_ENDS = frozenset({"revoked_at", "expires_at", "digest", "prefix", "owner_id"})
"""Attributes after whose change nobody may go on with the old key."""
_GRANTS = frozenset({"scopes"})


def revocations_of(session: Session, flush: UOWTransaction) -> Iterator[Revocation]:
    """The revocations of what `flush` changed; it is called before the flush is over."""
    for state, (is_deleted, is_listed) in flush.states.items():
        if is_listed or not issubclass(state.class_, ApiKey):
            continue
        key = state.obj()
        if key is None or key in session.new:
            continue
        changed = {attribute.key for attribute in _changed(state)}
        if is_deleted or changed & _ENDS:
            yield Revocation(credential_id=key.prefix)
        elif changed & _GRANTS:
            yield Revocation(credential_id=key.prefix, scope=RevocationScope.GRANTS)


def _changed(state: InstanceState[Any]) -> Iterator[Any]:
    for attribute in inspect(state.obj()).attrs:
        if attribute.history.has_changes():
            yield attribute
