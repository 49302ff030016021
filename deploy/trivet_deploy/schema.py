"""The database and its schema: brought to the models, and how far they are apart.

Whatever keeps a command or a server from working with the database is one sentence here, with the
command that cures it. Nothing of this changes the database but `apply_all`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from trivet.errors import ConfigurationError, NotFound, Unavailable
from trivet_deploy import django_commands
from trivet_settings import Settings

if TYPE_CHECKING:
    from trivet import migrations
    from trivet.data.replicas.server import ServerState

MIGRATE = "run `trivet migrate`"


@dataclass(frozen=True, slots=True)
class Drift:
    """The differences between models, migrations and database, a sentence each, and the cure; and
    in one sentence what this database cannot say, if there is something."""

    django: list[str]
    alembic: list[str]
    cure: str
    uncompared: str = ""

    @property
    def sentences(self) -> list[str]:
        """All of it, in the order in which it is cured."""
        return [*self.django, *self.alembic]


def apply_all(settings: Settings) -> dict[str, list[str]]:
    """Apply what waits, Django's first; returns the names under `django` and `alembic`.

    Raises Unavailable, within seconds, when the database server does not answer.
    """
    from trivet import migrations
    from trivet_deploy.composition import open_platform_with_django

    if settings.database.is_sqlite:
        # SQLite makes its file, and would only complain that there is no directory for it.
        settings.database.path.parent.mkdir(parents=True, exist_ok=True)
    else:
        require_database(settings)
    platform = open_platform_with_django(settings)
    with migrations.one_at_a_time(settings.database_url):
        had_trail = _has_trail(settings)
        done = {
            "django": django_commands.apply_migrations(),
            "alembic": migrations.upgrade(settings.database_url, platform.features),
        }
        begin_trail(settings, is_new=not had_trail)
    return done


def list_steps(settings: Settings) -> "list[migrations.Step]":
    """Every migration of both, in the order in which a fresh database gets them. A file of SQLite
    that does not exist yet has none of them, and is not made."""
    from trivet import migrations
    from trivet_deploy.composition import open_platform_with_django

    is_there = not settings.database.is_sqlite or settings.database.path.exists()
    if is_there:
        require_database(settings)
    platform = open_platform_with_django(settings)
    django = [
        migrations.Step(app, name, "", is_applied)
        for app, name, is_applied in django_commands.list_migrations(asks=is_there)
    ]
    url = settings.database_url if is_there else None
    return [*django, *migrations.steps(url, platform.features)]


def write_sql(settings: Settings) -> str:
    """The SQL of what waits, of both. Raises ConfigurationError where there is none."""
    from trivet import migrations
    from trivet_deploy.composition import open_platform_with_django

    require_database(settings)
    platform = open_platform_with_django(settings)
    ours = migrations.write_sql(settings.database_url, platform.features)
    return "\n".join([*django_commands.write_sql(), ours])


def _has_trail(settings: Settings) -> bool:
    """Whether the tables of the audit trail are there."""
    import sqlalchemy

    from trivet.audit import AuditEntry
    from trivet.data.single_connection import connect

    with connect(settings.database_url) as connection:
        return sqlalchemy.inspect(connection).has_table(AuditEntry.__tablename__)


def begin_trail(settings: Settings, *, is_new: bool = False) -> None:
    """Begin the audit trail of a new installation, or of one whose tables are new. A database with
    users had a trail otherwise, because each user left an entry when it was made. A trail that was
    emptied does not begin again here."""
    import anyio
    from sqlalchemy import Connection, select

    from trivet.audit import AuditTrail
    from trivet.identity.django_tables import users
    from trivet_deploy.composition import open_platform_with_django

    database = open_platform_with_django(settings).database

    def begin(connection: Connection) -> None:
        if is_new or connection.execute(select(users.c.id).limit(1)).first() is None:
            AuditTrail(settings.audit_secrets).begin(connection)

    async def run() -> None:
        try:
            async with database.engine.begin() as connection:
                await connection.run_sync(begin)
        finally:
            await database.close()

    anyio.run(run)


def find_missing_views(settings: Settings) -> Iterator[str]:
    """A sentence for each view, or table of others, that a mapped class needs and that is not
    there as the class has it."""
    from trivet import migrations

    yield from migrations.find_missing(settings.database_url)


def find_security_faults(settings: Settings) -> Iterator[str]:
    """The reasons why PostgreSQL would not keep tenants apart, each in a sentence with the cure.
    The database has to answer; a replica that does not is told of elsewhere."""
    from sqlalchemy.exc import SQLAlchemyError

    from trivet import migrations
    from trivet_deploy.composition import open_platform_with_django

    policies = migrations.wanted_policies(open_platform_with_django(settings).features)
    yield from migrations.find_security_faults(settings.database_url, policies)
    for replica, address in zip(settings.replicas, settings.replica_urls, strict=True):
        try:
            found = list(migrations.find_security_faults(address, policies, of_tables=False))
        except SQLAlchemyError:
            continue
        yield from (f"at {replica.masked}, of TRIVET_REPLICA_URLS, {each}" for each in found)


def find_drift(settings: Settings) -> Drift:
    """The differences between models, migrations and database."""
    from trivet import migrations
    from trivet_deploy.composition import open_platform_with_django

    if settings.database.is_sqlite and not settings.database.path.exists():
        missing = f"{settings.database.masked} does not exist"
        return Drift([missing], [missing], MIGRATE)
    require_database(settings)
    platform = open_platform_with_django(settings)
    waiting = [f"{name} is not applied" for name in django_commands.list_pending()]
    unwritten = django_commands.list_drift()
    behind, compared = "", migrations.Compared([], [])
    try:
        compared = migrations.compare(settings.database_url, platform.features)
    except ConfigurationError as error:
        behind = error.detail
    differences = compared.differences
    return Drift(
        [*waiting, *unwritten],
        [behind] if behind else [each.sentence for each in differences],
        _cure(bool(waiting), bool(unwritten), differences),  # a refusal says its own
        _explain_uncompared(settings, compared.uncompared),
    )


def _explain_uncompared(settings: Settings, uncompared: list[str]) -> str:
    if not uncompared:
        return ""
    why = ", which SQLite does not keep" if settings.database.is_sqlite else ""
    return f"Not compared{why}: {'; '.join(uncompared)}."


def _cure(is_waiting: bool, is_unwritten: bool, differences: "list[migrations.Difference]") -> str:
    if is_waiting:
        return MIGRATE
    if is_unwritten:
        return "run `trivet makemigrations`, then `trivet migrate`"
    return differences[0].cure if differences else ""


def find_database_fault(settings: Settings) -> str:
    """Why the database cannot be used, in a sentence; empty if it answers. Makes no file."""
    import sqlalchemy
    from sqlalchemy.exc import SQLAlchemyError

    from trivet.data.single_connection import connect

    database = settings.database
    if database.is_sqlite and not database.path.exists():
        return f"{database.masked} does not exist: {MIGRATE}"
    try:
        with connect(settings.database_url) as connection:
            connection.execute(sqlalchemy.text("SELECT 1"))
    except SQLAlchemyError as error:
        said = _said(error)
        return f"{database.masked} does not answer: {said}. {_cure_of(said, settings)}"
    return ""


def find_pooler_fault(settings: Settings) -> tuple[str, bool]:
    """What the settings say wrongly about a pooler, in a sentence with the cure, and whether it
    breaks something; empty if they are right. The database has to answer."""
    from trivet.data.single_connection import identify

    if settings.database.is_sqlite:
        return "", False
    server = identify(settings.database_url)
    if server.is_pooled and settings.database_pooler == "none":
        return (
            "a pooler answers at TRIVET_DATABASE_URL; let TRIVET_DATABASE_POOLER name its pool "
            "mode, session or transaction"
        ), False
    if settings.direct_database_url:
        if fault := find_database_fault(settings.direct):
            return f"TRIVET_DIRECT_DATABASE_URL: {fault}", True
        direct = identify(settings.direct_database_url)
        if direct.is_pooled:
            return "a pooler answers at TRIVET_DIRECT_DATABASE_URL; name the server itself", True
        if direct.database != server.database:
            return (
                "TRIVET_DIRECT_DATABASE_URL and TRIVET_DATABASE_URL lead to different databases"
            ), True
    if settings.database_pooler != "none" and not server.is_pooled:
        return (
            "no pooler answers at TRIVET_DATABASE_URL; set TRIVET_DATABASE_POOLER to none, and "
            "statements are prepared again"
        ), False
    return "", False


def find_replica_faults(settings: Settings) -> Iterator[tuple[str, bool]]:
    """The reasons why replicas would not be read from, each in a sentence, and whether the
    settings are wrong. The database has to answer."""
    from sqlalchemy.exc import SQLAlchemyError

    from trivet.data.single_connection import look

    primary = look(settings.database_url)
    for replica, address in zip(settings.replicas, settings.replica_urls, strict=True):
        name = f"{replica.masked}, of TRIVET_REPLICA_URLS,"
        try:
            state = look(address)
        except SQLAlchemyError as error:
            yield f"{name} does not answer: {_said(error)}. Nothing is read from it", False
            continue
        if not state.is_standby:
            yield f"{name} is no standby. Name a streaming standby, or leave it out", False
        elif state.database != primary.database:
            yield f"{name} is a standby of another database than TRIVET_DATABASE_URL", True
        elif state.is_paused:
            yield f"{name} is paused. Resume it: SELECT pg_wal_replay_resume()", False
        elif _is_on_old_timeline(state, primary):
            yield (
                (
                    f"{name} follows an earlier timeline than the primary. Let it follow the new "
                    "primary, and grant pg_monitor to its user, who learns of it sooner then"
                ),
                False,
            )


def _is_on_old_timeline(state: "ServerState", primary: "ServerState") -> bool:
    if state.position is None or primary.position is None:
        return False
    return state.position.timeline < primary.position.timeline


def _said(error: Exception) -> str:
    return str(getattr(error, "orig", None) or error).strip().splitlines()[0].rstrip(".")


def _cure_of(said: str, settings: Settings) -> str:
    if settings.database.is_sqlite:
        return "TRIVET_DATABASE_URL has to name a file that this user may read and write"
    if "does not exist" in said and "database" in said:
        return f"Create it: `createdb {settings.database.name}`"
    return "Start it, or let TRIVET_DATABASE_URL name the one that runs"


def require_database(settings: Settings) -> None:
    """Raise Unavailable, with the cure, unless the database answers; NotFound for a file of SQLite
    that is not there yet, as for a database without tables."""
    if fault := find_database_fault(settings):
        if settings.database.is_sqlite and not settings.database.path.exists():
            raise NotFound("no-database", f"{fault}.")
        raise Unavailable("database-unavailable", f"{fault}.")


def find_schema_fault(settings: Settings, *, with_drift: bool) -> str:
    """The reason why a server cannot work with the database, in one sentence; empty if it can.

    With `with_drift` also that the models went on without a migration, which costs a look at the
    whole schema.
    """
    from trivet import migrations
    from trivet_deploy.composition import open_platform_with_django

    if fault := find_database_fault(settings):
        return f"{fault}."
    platform = open_platform_with_django(settings)
    is_behind = migrations.is_behind(settings.database_url, platform.features)
    if is_behind or django_commands.find_waiting():
        return f"The database is not migrated: {MIGRATE}."
    if insecure := next(find_security_faults(settings), ""):
        return f"Row security does not hold: {insecure}."
    if not with_drift:
        return ""
    differences = migrations.compare(settings.database_url, platform.features).differences
    if not differences:
        return ""
    return f"Models and database differ: {differences[0].sentence}. Cure: {differences[0].cure}."
