"""The losses of users and credentials in a transaction, told to the platform after the commit."""

from collections.abc import Iterable
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connections
from django.db.transaction import on_commit

from trivet.broker import Publisher
from trivet.identity import Revocation, RevocationScope
from trivet_admin.auth.credentials import is_session


class RevocationBatch:
    """The losses since one savepoint: each is told once, the greater before the lesser, and
    none to somebody who lost all trust anyway.

    The order matters to open sockets. A deleted user leaves the groups first; a socket that
    heard of that first would be told to come back instead of to stay away.
    """

    def __init__(self, broker: Publisher) -> None:
        self._broker = broker
        self._found: dict[Revocation, None] = {}

    def add(self, lost: Revocation) -> None:
        self._found[lost] = None

    @property
    def ends_session(self) -> bool:
        """Whether a session ends by what is pending."""
        return any(is_session(lost.credential_id) for lost in self._found)

    def __call__(self) -> None:
        """Publish. Django calls this after the commit, and not at all after a rollback."""
        for lost in sorted(self._found, key=_rank):
            whole = Revocation(user_id=lost.user_id, credential_id=lost.credential_id)
            if lost == whole or whole not in self._found:
                self._broker.publish(lost)


def revoke_on_commit(broker: Publisher, lost: Revocation) -> None:
    """Publish `lost` after the commit; at once if no transaction is open."""
    losses = _pending()
    if losses is not None:
        losses.add(lost)
        return
    losses = RevocationBatch(broker)
    losses.add(lost)
    on_commit(losses)
    _put_first()


def has_ended_session(connection: Any) -> bool:
    """Whether a session ends once the transaction of `connection` is committed."""
    hooks = [hook for _, hook, _ in connection.run_on_commit]
    return any(isinstance(hook, RevocationBatch) and hook.ends_session for hook in hooks)


def _put_first() -> None:
    """Have losses told before anybody else's hook runs: one that fails ends all after it, and
    the sockets of a disabled user would stay open."""
    connection: Any = connections[DEFAULT_DB_ALIAS]
    # Stable, and each hook keeps its savepoints: what is rolled back is forgotten as before.
    connection.run_on_commit.sort(key=lambda hook: not isinstance(hook[1], RevocationBatch))


def _pending() -> RevocationBatch | None:
    """Those that Django would forget with the same savepoints as what is done now."""
    connection: Any = connections[DEFAULT_DB_ALIAS]
    here = _savepoints(connection.savepoint_ids)
    for savepoints, hook, _ in reversed(connection.run_on_commit):
        if isinstance(hook, RevocationBatch) and _savepoints(savepoints) == here:
            return hook
    return None


def _savepoints(ids: Iterable[str | None]) -> set[str]:
    # None stands for an atomic() without one.
    return {each for each in ids if each is not None}


def _rank(lost: Revocation) -> tuple[bool, bool]:
    return lost.scope is RevocationScope.GRANTS, lost.kind is not None
