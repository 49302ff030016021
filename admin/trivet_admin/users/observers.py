"""Which of Django's own models are observed, and who listens to each.

One reading of the rows before a statement and after it serves the audit trail and the
revocations alike, so what is noted and what ends trust cannot come apart.
"""

from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group, Permission

from trivet_admin.backends.observers import LinkObserver, PresentRowObserver, RowObserver
from trivet_admin.backends.row_observer import observe
from trivet_admin.users import revoking
from trivet_admin.users.auditing import notes_of_links, notes_of_rows

IGNORED = frozenset({"last_login"})
"""Every login writes it. The access log has the logins, and they cost nobody's trust."""


IRRELEVANT_COLUMNS = frozenset({"name"})
"""What people read of a permission; it is asked for by its codename and its content type."""


def connect() -> None:
    """Observe. Called once, when the apps are ready."""
    user: Any = get_user_model()
    observe(RowObserver(user, [notes_of_rows(user), revoking.by_rows], IGNORED))
    observe(RowObserver(Group, [notes_of_rows(Group)]))
    observe(PresentRowObserver(Permission, [revoking.by_permissions], IRRELEVANT_COLUMNS))
    for owner, name, losses in (
        (user, "groups", revoking.by_links),
        (user, "user_permissions", revoking.by_links),
        (Group, "permissions", revoking.by_grants),
    ):
        relation = owner._meta.get_field(name)
        observe(LinkObserver(relation, [notes_of_links(relation), losses]))
