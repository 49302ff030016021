"""The revisions and the database: which are applied, and how to apply the others."""

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import anyio.to_thread
from alembic import command
from alembic.autogenerate import produce_migrations
from alembic.config import Config
from alembic.operations import MigrateOperation
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import (
    Column,
    Connection,
    MetaData,
    String,
    Table,
    inspect,
    select,
)
from sqlalchemy.exc import DBAPIError

from trivet.data.database import Database
from trivet.data.single_connection import connect
from trivet.errors import ConfigurationError, Conflict
from trivet.feature_errors import find_places
from trivet.features import Feature
from trivet.migrations import scope
from trivet.migrations.comparison import Comparison
from trivet.migrations.differences import Difference, describe
from trivet.migrations.policies import wanted_policies
from trivet.migrations.risks import FILL
from trivet.migrations.scope import VERSION_TABLE
from trivet.migrations.shapes import knowing_indexes
from trivet.source_files import shown

HERE = Path(__file__).parent

_NULLS = ("23502", "NOT NULL constraint failed", "Cannot add a NOT NULL column")
"""The codes of PostgreSQL and the words of SQLite for a row that lacks a value."""

_THERE = ("42P07",)
"""The code of PostgreSQL for a table that is there."""

_EXTENSION = re.compile(r'extension "([^"]+)"')
_NO_EXTENSION = {
    "42501": 'let a role that may do it run CREATE EXTENSION "{}" in this database, and then '
    "`trivet migrate` again.",
    "0A000": "install {} on the server of the database, and then `trivet migrate` again.",
}
"""What to do where PostgreSQL makes no extension, by its code."""

_NO_FTS5 = "no such module: fts5"

_versions = Table(VERSION_TABLE, MetaData(), Column("version_num", String(32)))


def upgrade(url: str, features: Sequence[Feature]) -> list[str]:
    """Apply every pending revision, each in a transaction; returns their ids, oldest first.

    Raises Conflict, naming the file and the line, when the database refuses one.
    """
    return run(url, features, "heads", back=False)


def run(url: str, features: Sequence[Feature], target: str, *, back: bool) -> list[str]:
    """Apply the revisions up to `target`, or take back those behind it; returns their ids."""
    with connect(url) as connection:
        before = applied_to(connection)
        config = configure(features, connection)
        _require_known(before, config)
        # Alembic would make all revisions in the transaction of that question.
        connection.rollback()
        try:
            (command.downgrade if back else command.upgrade)(config, target)
        except DBAPIError as error:
            raise _refused(error, features) from error
        script = ScriptDirectory.from_config(config)
        new, old = (with_ancestors(script, each) for each in (applied_to(connection), before))
        connection.commit()
    return sorted(new ^ old)


def with_ancestors(script: ScriptDirectory, heads: tuple[str, ...]) -> set[str]:
    """The ids of `heads` and of all revisions on which they build."""
    return {each.revision for each in script.iterate_revisions(heads, "base")} if heads else set()


@dataclass(frozen=True, slots=True)
class Compared:
    """What models and database differ in, and what this database could not say."""

    differences: list[Difference]
    uncompared: list[str]


def compare(url: str, features: Sequence[Feature]) -> Compared:
    """The changes of the models that no revision has.

    It compares with a database at the newest revisions. Raises ConfigurationError if the database
    is not there.
    """
    with connect(url) as connection:
        require_current(connection, features)
        comparison = Comparison(policies=wanted_policies(features))
        found = describe(compare_tables(connection, comparison), features, comparison.unwritten)
        return Compared(found, comparison.uncompared)


def is_behind(url: str, features: Sequence[Feature]) -> bool:
    """Whether a revision waits to be applied."""
    with connect(url) as connection:
        return _is_behind(connection, features)


def _is_behind(connection: Connection, features: Sequence[Feature]) -> bool:
    return set(applied_to(connection)) != _heads(tuple(features))


def compare_tables(
    connection: Connection,
    comparison: Comparison | None = None,
    tables: Collection[str] | None = None,
) -> list[MigrateOperation]:
    """The operations that would give the database what the models want, of `tables` alone or of
    all of ours."""
    options = scope.options(tables, comparison)
    context = MigrationContext.configure(connection, opts=options)
    with knowing_indexes():
        upgrade = produce_migrations(context, scope.all_tables()).upgrade_ops
    return [] if upgrade is None else list(upgrade.ops)


def requires_upgrade(url: str, features: Sequence[Feature]) -> bool:
    """As `is_behind`. Raises ConfigurationError for a database that other code migrated."""
    with connect(url) as connection:
        _require_known(applied_to(connection), configure(features, None))
        return _is_behind(connection, features)


def require_current(connection: Connection, features: Sequence[Feature]) -> None:
    """Raise ConfigurationError unless the database is at the newest revisions of this code."""
    _require_known(applied_to(connection), configure(features, None))
    if _is_behind(connection, features):
        raise ConfigurationError("pending", "The database is behind: run `trivet migrate`.")


def _require_known(applied: Iterable[str], config: Config) -> None:
    """Raise ConfigurationError for a database that other code, or other features, migrated."""
    script = ScriptDirectory.from_config(config)
    known = {revision.revision for revision in script.walk_revisions()}
    if unknown := sorted(set(applied) - known):
        raise ConfigurationError(
            "unknown-revision",
            f"The database is at a revision that no feature of TRIVET_FEATURES has "
            f"({', '.join(unknown)}). Cure: name the feature that has it, or run the newer code.",
        )


def _refused(error: DBAPIError, features: Sequence[Feature]) -> Conflict:
    """The line of the revision that the database refused, with the reason."""
    places = find_places(error, (HERE / "versions", *map(folder_of, features)))
    where = f"{shown(places[-1][0])}:{places[-1][1]}: " if places else ""
    said = str(error.orig).strip().splitlines()[0]
    code = getattr(error.orig, "sqlstate", None)
    lacks_value = code in _NULLS or any(words in said for words in _NULLS)
    cure = f" There are rows without a value. Cure: {FILL}." if lacks_value else ""
    if code in _THERE or "already exists" in said:
        cure = " Cure: `trivet adopt FEATURE`, if the tables were there before Trivet."
    if code in _NO_EXTENSION and (extension := _EXTENSION.search(said)):
        cure = f" Cure: {_NO_EXTENSION[code].format(extension[1])}"
    if _NO_FTS5 in said:
        cure = (
            " Cure: use a Python whose SQLite was built with FTS5, as those of python.org and of "
            'Debian are; or declare no "search" in the info of the table, which is then searched '
            "without an index."
        )
    return Conflict("revision-refused", f"{where}the database refused: {said}.{cure}")


async def pending(database: Database, features: Sequence[Feature]) -> bool:
    """Whether a revision waits to be applied. Raises the driver's error if the database
    does not answer."""
    async with database.read_engine.connect() as connection:
        exists = await connection.run_sync(lambda sync: inspect(sync).has_table(VERSION_TABLE))
        if not exists:
            return True
        applied = set(await connection.scalars(select(_versions.c.version_num)))
    if applied == _heads(tuple(features)):
        return False
    # A revision may be newer than this process, as under `trivet dev`.
    _heads.cache_clear()
    return applied != await anyio.to_thread.run_sync(_heads, tuple(features))


async def find_difference(database: Database, features: Sequence[Feature]) -> Difference | None:
    """The first difference of models and database, if there is one. It reads the whole schema,
    and compares no texts: a replica could not build the tables beside which they are read."""
    async with database.read_engine.connect() as connection:
        found = await connection.run_sync(compare_tables)
    return next(iter(describe(found, features)), None)


@cache
def _heads(features: tuple[Feature, ...]) -> set[str]:
    """The newest revisions. The database does not list a branch on which applied revisions depend:
    Alembic keeps only revisions on which no other one depends."""
    script = ScriptDirectory.from_config(configure(features, None))
    heads = set(script.get_heads())
    built_on = {
        dependency
        for head in heads
        for revision in script.iterate_revisions(head, "base")
        for dependency in revision._resolved_dependencies  # noqa: SLF001  # pinned by a test
    }
    return heads - built_on


def applied_to(connection: Connection) -> tuple[str, ...]:
    """The newest revisions that the database has."""
    context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE})
    return context.get_current_heads()


def configure(features: Sequence[Feature], connection: Connection | None) -> Config:
    """Alembic's configuration, with the revisions of all features."""
    folders = [
        HERE / "versions",
        *(f for f in map(folder_of, with_revisions(features)) if f.is_dir()),
    ]
    config = Config()
    config.set_main_option("script_location", str(HERE).replace("%", "%%"))
    config.set_main_option("path_separator", "newline")
    config.set_main_option("version_locations", "\n".join(map(str, folders)).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


def with_revisions(features: Iterable[Feature]) -> list[Feature]:
    """Those of `features` that have files of their own: the tables of the others are made by
    whoever made the classes."""
    return [each for each in features if not each.only_classes]


def folder_of(feature: Feature | None) -> Path:
    """The folder of a feature's revisions; of the platform's own without a feature."""
    return HERE / "versions" if feature is None else feature.folder / "migrations"
