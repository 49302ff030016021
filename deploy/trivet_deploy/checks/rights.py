"""The rights of the role that serves, where another one owns the tables."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from trivet_deploy.checks.finding import Finding, advise

if TYPE_CHECKING:
    from trivet_settings import Settings

NAME = "rights"
_READ = ("SELECT",)
_WRITE = ("SELECT", "INSERT", "UPDATE", "DELETE")
_APPEND = ("SELECT", "INSERT")
"""Enough for the entries of the audit trail, so that a role need not have more."""

_LACKING = """
SELECT current_user, wanted.name, wanted.permission
FROM unnest(%(names)s::text[], %(permissions)s::text[]) AS wanted (name, permission)
WHERE NOT has_table_privilege(to_regclass(wanted.name), wanted.permission)
UNION ALL
SELECT current_user, seqrelid::regclass::text, 'USAGE'
FROM (SELECT DISTINCT to_regclass(name) AS oid FROM unnest(%(written)s::text[]) AS name) AS told
JOIN pg_depend ON refobjid = told.oid AND deptype = 'a' AND classid = 'pg_class'::regclass
JOIN pg_sequence ON seqrelid = objid
WHERE NOT has_sequence_privilege(seqrelid, 'USAGE')
"""
"""A sequence of an identity column needs no right, and is no automatic dependency."""


def find_rights(settings: "Settings") -> Iterator[Finding]:
    """What the role of TRIVET_DATABASE_URL may not do. The database has to be migrated."""
    from trivet.data.single_connection import connect

    if settings.database.is_sqlite:
        return
    wanted = _wanted()
    pairs = [(name, each) for name, rights in wanted.items() for each in rights]
    given = {
        "names": [name for name, _ in pairs],
        "permissions": [permission for _, permission in pairs],
        "written": [name for name, rights in wanted.items() if "INSERT" in rights],
    }
    with connect(settings.database_url) as connection:
        rows = connection.exec_driver_sql(_LACKING, given).all()
    lacking: defaultdict[str, list[str]] = defaultdict(list)
    for role, name, permission in rows:
        lacking[f"GRANT {{}} ON {'SEQUENCE ' * (permission == 'USAGE')}{name} TO {role}"].append(
            permission
        )
    if not lacking:
        yield Finding(NAME, "ok", "the role of TRIVET_DATABASE_URL may use every table")
        return
    grants = [sentence.format(", ".join(permissions)) for sentence, permissions in lacking.items()]
    rest = f", and {len(grants) - 3} more" if len(grants) > 3 else ""
    yield advise(
        NAME,
        f"the role of TRIVET_DATABASE_URL lacks some, and requests that need them are answered "
        f"with 500: {'; '.join(grants[:3])}{rest}. ALTER DEFAULT PRIVILEGES gives those of tables "
        "that are made later",
    )


def _wanted() -> dict[str, Sequence[str]]:
    """The rights that serving needs, by tables as SQL has their names."""
    from django.apps import apps
    from sqlalchemy.dialects import postgresql

    from trivet.audit.tables import AuditEntry
    from trivet.migrations.scope import VERSION_TABLE
    from trivet.models.mapped import our_tables
    from trivet.models.views import READ_ONLY, is_migrated

    quote = postgresql.dialect().identifier_preparer  # type: ignore[no-untyped-call]  # SQLAlchemy's
    models = apps.get_models(include_auto_created=True)
    found: dict[str, Sequence[str]] = {
        quote.format_table(table): _WRITE
        if is_migrated(table) and not table.info.get(READ_ONLY)
        else _READ
        for table in our_tables()
    }
    found |= {quote.quote(each._meta.db_table): _WRITE for each in models if each._meta.managed}
    found |= dict.fromkeys((VERSION_TABLE, "django_migrations"), _READ)
    return found | {AuditEntry.__tablename__: _APPEND}
