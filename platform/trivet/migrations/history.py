"""Running, checking and making migrations."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Column, Connection, MetaData, String, Table, create_engine, inspect, select

from trivet.data.database import Database
from trivet.data.engine import async_url
from trivet.errors import ConfigurationError
from trivet.features import Feature
from trivet.migrations import scope
from trivet.migrations.scope import VERSION_TABLE
from trivet.models.base import Model

HERE = Path(__file__).parent
PLATFORM = "trivet"
"""The branch label of the platform's own revisions."""

_versions = Table(VERSION_TABLE, MetaData(), Column("version_num", String(32)))


def upgrade(url: str, features: Sequence[Feature]) -> list[str]:
    """Apply every pending revision, each in a transaction; returns their ids, oldest first."""
    with _connection(url) as connection:
        before = _applied(connection)
        config = _config(features, connection)
        command.upgrade(config, "heads")
        script = ScriptDirectory.from_config(config)
        known = {r.revision for r in script.iterate_revisions(_applied(connection), "base")}
        old = {r.revision for r in script.iterate_revisions(before, "base")} if before else set()
        connection.commit()
    return sorted(known - old)


def check(url: str, features: Sequence[Feature]) -> list[str]:
    """What the models have that no revision has, one sentence a difference; [] is clean.

    Compares with a database that is at the newest revisions; raises ConfigurationError if
    it is not.
    """
    with _connection(url) as connection:
        if set(_applied(connection)) != _heads(tuple(features)):
            raise ConfigurationError("pending", "The database is behind: run 'trivet migrate'.")
        context = MigrationContext.configure(connection, opts=scope.options(Model.metadata))
        return [_describe(difference) for difference in compare_metadata(context, Model.metadata)]


def make(url: str, features: Sequence[Feature], name: str, message: str) -> Path:
    """Write the revision that brings the database to the models of the feature `name`
    (or ``trivet`` for the platform's own) and return its path."""
    owner = next((f for f in features if f.name == name), None)
    if owner is None and name != PLATFORM:
        known = ", ".join([PLATFORM, *(f.name for f in features)])
        raise ConfigurationError("no-feature", f"There is no feature {name!r}; known are: {known}.")
    folder = HERE / "versions" if owner is None else _folder(owner)
    folder.mkdir(exist_ok=True)
    with _connection(url) as connection:
        config = _config(features, connection)
        config.attributes["tables"] = scope.tables_of(owner.package if owner else PLATFORM)
        config.attributes["is_first"] = first = not any(folder.glob("*.py"))
        try:
            script = command.revision(
                config,
                message,
                autogenerate=True,
                head="base" if first else f"{name}@head",
                branch_label=name if first else None,
                version_path=str(folder),
                depends_on=f"{PLATFORM}@head" if first and owner else None,
            )
        except CommandError as error:
            raise ConfigurationError("revision", str(error)) from error
    if script is None or isinstance(script, list):
        raise ConfigurationError("no-change", f"The models of {name} have not changed.")
    return Path(script.path)


async def pending(database: Database, features: Sequence[Feature]) -> bool:
    """Whether a revision waits to be applied. Raises the driver's error if the database
    does not answer."""
    async with database.read_engine.connect() as connection:
        exists = await connection.run_sync(lambda sync: inspect(sync).has_table(VERSION_TABLE))
        if not exists:
            return True
        applied = set(await connection.scalars(select(_versions.c.version_num)))
    return applied != _heads(tuple(features))


@contextmanager
def _connection(url: str) -> Iterator[Connection]:
    parsed = async_url(url)
    driver = parsed.drivername.replace("+aiosqlite", "")
    engine = create_engine(parsed.set(drivername=driver))
    try:
        with engine.connect() as connection:
            yield connection
    finally:
        engine.dispose()


@cache
def _heads(features: tuple[Feature, ...]) -> set[str]:
    """The newest revisions. A branch that others depend on is not listed in the database
    once they are applied, as Alembic keeps only what nothing builds on."""
    script = ScriptDirectory.from_config(_config(features, None))
    heads = set(script.get_heads())
    built_on = {
        dependency
        for head in heads
        for revision in script.iterate_revisions(head, "base")
        for dependency in revision._resolved_dependencies  # noqa: SLF001  # pinned by a test
    }
    return heads - built_on


def _applied(connection: Connection) -> tuple[str, ...]:
    context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE})
    return context.get_current_heads()


def _config(features: Sequence[Feature], connection: Connection | None) -> Config:
    folders = [HERE / "versions", *(f for f in map(_folder, features) if f.is_dir())]
    config = Config()
    config.set_main_option("script_location", str(HERE).replace("%", "%%"))
    config.set_main_option("path_separator", "newline")
    config.set_main_option("version_locations", "\n".join(map(str, folders)).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


def _folder(feature: Feature) -> Path:
    spec = find_spec(feature.package)
    assert spec is not None, "load_features found it"
    assert spec.submodule_search_locations
    return Path(spec.submodule_search_locations[0]) / "migrations"


def _describe(difference: object) -> str:
    if isinstance(difference, list):
        return "; ".join(_describe(part) for part in difference)
    assert isinstance(difference, tuple)
    return " ".join(str(getattr(part, "name", part)) for part in difference if part is not None)
