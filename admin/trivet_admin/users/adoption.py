"""The users of a database that a Django project has made: `auth_user` becomes `accounts_user`.

The tables are renamed and keep their rows, their keys and whatever refers to them. Django would
refuse to migrate such a database: its history says that migrations were applied before ours, on
which they depend.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from django.db import connection
from django.utils import timezone

from trivet.errors import ConfigurationError

TABLES = {
    "auth_user": "accounts_user",
    "auth_user_groups": "accounts_user_groups",
    "auth_user_user_permissions": "accounts_user_user_permissions",
}
_MIGRATION = ("accounts", "0001_initial")


def is_waiting() -> bool:
    """Whether the users of this database are still where the project has them."""
    present = connection.introspection.table_names()
    return "auth_user" in present and "accounts_user" not in present


def plan() -> list[tuple[str, Sequence[Any]]]:
    """The statements, in their order, each with its values.

    Raises:
        ConfigurationError: There is nothing to adopt, or users share an address of email.
    """
    if not is_waiting():
        raise ConfigurationError(
            "nothing-to-adopt",
            "There is no auth_user in this database, or accounts_user is there already.",
        )
    _require_distinct_addresses()
    return list(_statements())


def adopt(statements: Sequence[tuple[str, Sequence[Any]]]) -> None:
    """Execute `statements` in one transaction."""
    # The guard is off in an editor of the schema: these tables are no models of ours yet.
    with connection.schema_editor(atomic=True), connection.cursor() as cursor:
        for sql, values in statements:
            cursor.execute(sql, values or None)


def _require_distinct_addresses() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT email FROM auth_user WHERE email <> '' GROUP BY email HAVING count(*) > 1 "
            "ORDER BY email"
        )
        shared = [email for (email,) in cursor.fetchall()]
    if shared:
        raise ConfigurationError(
            "shared-email",
            f"Several users have the address {', '.join(shared[:5])}, and here each has its own. "
            "Cure: change or empty the address of all but one.",
        )


def _statements() -> Iterator[tuple[str, Sequence[Any]]]:
    for old, new in TABLES.items():
        yield f"ALTER TABLE {old} RENAME TO {new}", ()
    # Nobody can log in by it or be written to, and each is different.
    yield (
        "UPDATE accounts_user SET email = 'user-' || id || '@users.invalid' WHERE email = ''",
        (),
    )
    yield "CREATE UNIQUE INDEX accounts_user_email_key ON accounts_user (email)", ()
    # Rows that refer to the kind of a row (permissions, the admin's log) keep their number.
    yield (
        "UPDATE django_content_type SET app_label = 'accounts' WHERE app_label = 'auth' AND "
        "model = 'user'",
        (),
    )
    yield (
        "INSERT INTO django_migrations (app, name, applied) VALUES (%s, %s, %s)",
        (*_MIGRATION, timezone.now()),
    )
