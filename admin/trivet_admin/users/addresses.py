"""No two users share an address, in whatever case it is written.

The database holds apart what differs in no letter. Mail servers do not tell capitals from small
letters, and a link that resets a password is sent to an address; so neither do we, whatever form,
command or code writes a user. Users of before who share one so stay as they are, and can be changed
in everything else; a unique index of the small letters would refuse such a database.

Without an index nothing keeps two transactions apart that write one address and do not see each
other. On PostgreSQL each therefore takes a lock of the address before it looks, and holds it to its
end. SQLite has one writer at a time.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django.contrib.auth import get_user_model
from django.db import DEFAULT_DB_ALIAS, connections
from django.db.models.functions import Lower

from trivet.errors import Conflict
from trivet_admin.backends.row_observer import Listener, Rows
from trivet_admin.backends.rows import batched
from trivet_admin.users.grants import give_up

TAKEN = "A user with that email address already exists."

_LOCKS = 0x74726D6C
"""The first half of PostgreSQL's advisory locks of addresses: "trml" in ASCII."""


def _judge(before: Rows, after: Rows) -> None:
    """Raise Conflict if a statement gave a user the address of another one."""
    given = [
        row["email"]
        for key, row in after.items()
        if row["email"] and _folded(row) != _folded(before.get(key, {}))
    ]
    _lock(given)
    if any(_are_shared(each) for each in batched(given)):
        give_up(Conflict("shared-email", TAKEN, attributes=["email"]))


def _lock(addresses: Iterable[str]) -> None:
    """Wait for every other transaction that gives one of these addresses, until it has ended."""
    connection = connections[DEFAULT_DB_ALIAS]
    if connection.vendor != "postgresql":
        return
    # In one order for all, so that two who give the same ones do not wait for each other.
    for number in sorted({_lock_number(each) for each in addresses}):
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", [_LOCKS, number])


def _lock_number(address: str) -> int:
    """One of 256: the server has room for some thousands of locks, and a file may bring more users
    than that. Two addresses with one number wait for each other, no more."""
    return hashlib.sha256(address.lower().encode()).digest()[0]


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
