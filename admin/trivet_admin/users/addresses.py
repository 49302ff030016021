"""No two users share an address, in whatever case it is written.

The database holds apart what differs in no letter. Mail servers do not tell capitals from small
letters, and a link that resets a password is sent to an address; so neither do we, whatever form,
command or code writes a user. Users of before who share one so stay as they are, and can be changed
in everything else.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from django.contrib.auth import get_user_model
from django.db.models.functions import Lower

from trivet.errors import Conflict
from trivet_admin.backends.row_observer import Listener, Rows
from trivet_admin.backends.rows import batched
from trivet_admin.users.grants import give_up

TAKEN = "A user with that email address already exists."


def _judge(before: Rows, after: Rows) -> None:
    """Raise Conflict if a statement gave a user the address of another one."""
    given = [
        row["email"]
        for key, row in after.items()
        if row["email"] and _folded(row) != _folded(before.get(key, {}))
    ]
    if any(_are_shared(each) for each in batched(given)):
        give_up(Conflict("shared-email", TAKEN, attributes=["email"]))


def _folded(row: Mapping[str, Any]) -> str:
    return str(row.get("email", "")).lower()


def _are_shared(addresses: Sequence[str]) -> bool:
    """Whether an address among these belongs to several users, who are written already."""
    users = get_user_model()._base_manager  # noqa: SLF001  # public by Django's documents
    folded = users.annotate(folded=Lower("email")).filter(
        folded__in={each.lower() for each in addresses}
    )
    found = list(folded.values_list("folded", flat=True))
    return len(found) > len(set(found))


by_users = Listener(lambda: True, _judge)
"""Judges the addresses that users are given."""
