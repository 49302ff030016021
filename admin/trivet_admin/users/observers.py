"""The models of Django's own that are observed, and the observers of each.

One reading of the rows before a statement and after it serves the judgement of who may give
what and which address is free, the audit trail and the revocations alike, so that they cannot
come apart. The judgements come first: what they refuse is neither noted nor told.
"""

from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group, Permission
from django.contrib.contenttypes.models import ContentType

from trivet_admin.backends.observers import LinkObserver, PresentRowObserver, RowObserver
from trivet_admin.backends.row_observer import observe
from trivet_admin.users import addresses, grants, revoking
from trivet_admin.users.auditing import notes_of_links, notes_of_rows

IGNORED = frozenset({"last_login"})
"""Every login writes it. The access log has the logins, and they cost nobody's trust."""


IRRELEVANT_COLUMNS = frozenset({"name"})
"""The fields of a permission that people read; code asks by its codename and content type."""


def connect() -> None:
    """Observe. Called once, when the apps are ready."""
    user: Any = get_user_model()
    listeners = [grants.by_users, addresses.by_users, notes_of_rows(user), revoking.by_rows]
    observe(RowObserver(user, listeners, IGNORED))
    observe(RowObserver(Group, [notes_of_rows(Group)]))
    named = [grants.by_names, revoking.by_permissions]
    observe(PresentRowObserver(Permission, named, IRRELEVANT_COLUMNS))
    observe(PresentRowObserver(ContentType, [grants.by_names]))
    for owner, name, judge, losses in (
        (user, "groups", grants.by_memberships, revoking.by_links),
        (user, "user_permissions", grants.by_own_permissions, revoking.by_links),
        (Group, "permissions", grants.by_permissions_of_groups, revoking.by_grants),
    ):
        relation = owner._meta.get_field(name)
        observe(LinkObserver(relation, [judge, notes_of_links(relation), losses]))
