"""Trust that ends: what happens to a user in Django becomes a revocation.

It is published once it is committed: a rolled-back logout closes no socket. The end of a session is
published by `trivet_admin.auth.session_store`, the end of a key by the code that revokes it.

| what changes | what is lost |
|---|---|
| the user is disabled or deleted | trust: sessions, keys, sockets |
| the password | trust in the user's sessions; keys go on |
| staff, superuser, permissions, groups and what they grant, name, address | certainty: read again |
| codename or content type of a permission | certainty of its holders |

The rest of it is observed (`trivet_admin.users.observers`), whichever way of Django's it is
written: row by row, in bulk, through either end of a relation, with what is deleted.
"""

from collections.abc import Iterable
from typing import Any

from django.contrib.auth import get_user_model
from django.db.models import Q

from trivet.identity import Revocation, RevocationScope
from trivet.identity.identity import Kind
from trivet_admin import runtime
from trivet_admin.backends.observers import Ends
from trivet_admin.backends.row_observer import Listener, Rows
from trivet_admin.users.revocation_batch import revoke_on_commit


def revoke(
    *,
    user_id: int | None = None,
    credential: str | None = None,
    kind: Kind | None = None,
    scope: RevocationScope = RevocationScope.CREDENTIAL,
) -> None:
    """Publish, after the commit, that a user or a credential is trusted no more."""
    broker = runtime.broker()
    if broker is not None:
        revoke_on_commit(broker, Revocation(user_id, credential, kind, scope))


def _is_on() -> bool:
    return runtime.broker() is not None


def _by_rows(before: Rows, after: Rows) -> None:
    for user_id, was in before.items():
        now = after.get(user_id)
        if now is None or (was["is_active"] and not now["is_active"]):
            revoke(user_id=user_id)
            continue
        changed = {name for name in was if was[name] != now[name]}
        if "password" in changed:
            revoke(user_id=user_id, kind="session")
        if changed - {"password"}:
            _uncertain([user_id])


def _by_links(taken: Ends, given: Ends) -> None:
    _uncertain(user_id for user_id, _ in taken | given)


def _by_grants(taken: Ends, given: Ends) -> None:
    """A group's members, found by one query however many groups and permissions it is."""
    members = get_user_model().groups.through._base_manager  # type: ignore[attr-defined]  # noqa: SLF001  # public by Django's documents
    groups = {group_id for group_id, _ in taken | given}
    found = members.filter(group__in=groups).values_list("user", flat=True)
    _uncertain(found.distinct())


def _by_permissions(before: Rows, after: Rows) -> None:
    """The users who hold a permission that was renamed, found by one query. A
    deleted one was taken from its holders first, which their links have told."""
    renamed = before.keys() & after.keys()
    if renamed:
        of_users = Q(user_permissions__in=renamed) | Q(groups__permissions__in=renamed)
        holders = get_user_model()._base_manager.filter(of_users)  # noqa: SLF001  # public by Django's documents
        _uncertain(holders.values_list("pk", flat=True).distinct())


def _uncertain(user_ids: Iterable[Any]) -> None:
    for user_id in user_ids:
        revoke(user_id=user_id, scope=RevocationScope.GRANTS)


by_rows = Listener(_is_on, _by_rows)
"""Revokes users whose rows change."""

by_links = Listener(_is_on, _by_links)
"""Revokes users to whom a group or permission is given, or from whom it is taken."""

by_grants = Listener(_is_on, _by_grants)
"""Revokes the members of groups to which a permission is given, or from which it is taken."""

by_permissions = Listener(_is_on, _by_permissions)
"""Revokes those who hold a permission, themselves or by a group, that is renamed."""
