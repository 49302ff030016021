"""Adoption: a database that was there before Trivet, and classes for what is in it.

Its tables become the first revision of a feature, the baseline, as the database has them: with its
names of constraints, its types, and the columns that no class has. A fresh database is built from
it, and the one that is there is marked as having it. No table of theirs is altered, and no value
changes; what the classes want otherwise is a difference, told like any other, and changed by the
next revision if somebody asks for one.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alembic import command
from alembic.operations import ops
from alembic.script import Script, ScriptDirectory
from sqlalchemy import Connection, inspect

from trivet.data.single_connection import connect
from trivet.errors import ConfigurationError, Conflict
from trivet.features import Feature
from trivet.migrations import scope
from trivet.migrations.baseline import Baseline, read_baseline
from trivet.migrations.comparison import Comparison
from trivet.migrations.differences import PLATFORM, describe
from trivet.migrations.history import (
    applied_to,
    compare_tables,
    configure,
    folder_of,
    with_ancestors,
)
from trivet.migrations.making import Asked, require_features, write_revision
from trivet.migrations.scope import VERSION_TABLE
from trivet.models.owners import tables_of
from trivet.models.search_tables import parts_of_tables

MESSAGE = "baseline"
"""The message of the revision, and so the name of its file."""


@dataclass(frozen=True, slots=True)
class Adoption:
    """What an adoption finds and would do.

    Attributes:
        feature: The feature whose classes are compared.
        there: Its tables that the database has.
        missing: Its tables that the database has not, which a revision has to make.
        differences: What the classes want otherwise than it is, a sentence each.
        uncompared: What this database could not say.
        left_out: Foreign keys to tables that no class has. A fresh database is built without them.
        others: The tables of the database that are none of ours. They stay as they are.
        revision: The baseline, if it is written already: only the mark is missing then.
        is_done: Whether the database has been adopted already.
    """

    feature: str
    there: list[str]
    missing: list[str]
    differences: list[str]
    uncompared: list[str]
    left_out: list[str]
    others: list[str]
    revision: str | None
    is_done: bool


def find_feature(features: Sequence[Feature], named: str) -> Feature:
    """The feature called `named`, or whose package is.

    Raises ConfigurationError if there is none, or it has no place for a baseline.
    """
    for each in features:
        if named in (each.name, each.package):
            require_features([each.name], features)
            return each
    known = ", ".join(each.name for each in features) or "none"
    raise ConfigurationError(
        "no-feature",
        f"{named!r} is no feature; known are: {known}. Cure: name it in TRIVET_FEATURES. A package "
        "of somebody else's needs a feature whose models.py imports its classes.",
    )


def plan(url: str, features: Sequence[Feature], feature: Feature) -> Adoption:
    """What `adopt` would do. Nothing is changed.

    Raises:
        ConfigurationError: No table of the feature is in the database.
        Conflict: A table is called like one of the platform's, the feature's revisions are no
            baseline, or the database lacks a table of it.
    """
    with connect(url) as connection:
        _require_own_names(connection)
        script = _first_revision(features, feature)
        is_done = script is not None and script.revision in _applied(connection, features)
        baseline = read_baseline(connection, feature, tables_of(feature.name))
        if not baseline.tables and not is_done:
            raise ConfigurationError(
                "nothing-to-adopt",
                f"The database has none of the tables of {feature.name}. Cure: `trivet "
                f"makemigrations {feature.name}` writes the revision that makes them.",
            )
        if script is not None and not is_done:
            _require_baseline(script, baseline, feature)
        comparison = Comparison()
        found = compare_tables(connection, comparison, scope.tables_of(feature.name))
        return Adoption(
            feature.name,
            sorted(baseline.names),
            sorted(baseline.missing),
            [each.sentence for each in describe(found, features, comparison.unwritten)],
            comparison.uncompared,
            sorted(baseline.left_out),
            sorted(_others(connection)),
            None if script is None else Path(script.path).stem,
            is_done,
        )


def adopt(url: str, features: Sequence[Feature], feature: Feature) -> Path:
    """Write the baseline of a feature, if it is not there, and mark the database as having it.

    The platform's own tables have to be there. Returns the file of the baseline.
    """
    with connect(url) as connection:
        script = _first_revision(features, feature)
        path = None if script is None else Path(script.path)
        if path is None:
            baseline = read_baseline(connection, feature, tables_of(feature.name))
            asked = Asked(_Writing(baseline, features).revise, MESSAGE)
            script = write_revision(connection, features, feature, asked)
            assert script is not None, "a plan found tables"
            path = Path(script.path)
        _mark(connection, features, feature)
        connection.commit()
    return path


def tables_of_database(connection: Connection) -> set[str]:
    """The names of the tables in the schema of the connection, without those that SQLite keeps for
    the index of a search."""
    found = set(inspect(connection).get_table_names())
    is_sqlite = connection.dialect.name == "sqlite"
    return found - parts_of_tables(connection) if is_sqlite else found


@dataclass(frozen=True, slots=True)
class _Writing:
    """Puts a baseline in the place of what Alembic would write."""

    baseline: Baseline
    features: Sequence[Feature]

    def revise(self, directive: ops.MigrationScript) -> None:
        upgrade, downgrade = directive.upgrade_ops, directive.downgrade_ops
        assert upgrade is not None
        assert downgrade is not None
        upgrade.ops = self.baseline.operations()
        downgrade.ops = upgrade.reverse().ops
        downgrade.ops.extend(self.baseline.enum_drops())
        upgrade.ops[:0] = self.baseline.preparations()
        owners = {t: each.name for each in self.features for t in scope.tables_of(each.name)}
        needed = {owners.get(table) for table in self.baseline.referred}
        depends: list[Any] = [directive.depends_on or []]
        first = depends[0] if isinstance(depends[0], list) else [depends[0]]
        others = needed - {None, self.baseline.feature}
        directive.depends_on = [*first, *(f"{name}@head" for name in sorted(map(str, others)))]


def _first_revision(features: Sequence[Feature], feature: Feature) -> Script | None:
    folder = folder_of(feature)
    scripts = ScriptDirectory.from_config(configure(features, None))
    own = [each for each in scripts.walk_revisions() if Path(each.path).parent == folder]
    return own[-1] if own else None


def _applied(connection: Connection, features: Sequence[Feature]) -> set[str]:
    scripts = ScriptDirectory.from_config(configure(features, None))
    known = {each.revision for each in scripts.walk_revisions()}
    heads = tuple(each for each in applied_to(connection) if each in known)
    return with_ancestors(scripts, heads)


def _mark(connection: Connection, features: Sequence[Feature], feature: Feature) -> None:
    script = _first_revision(features, feature)
    assert script is not None
    if script.revision not in _applied(connection, features):
        connection.rollback()
        command.stamp(configure(features, connection), script.revision)


def _require_baseline(script: Script, baseline: Baseline, feature: Feature) -> None:
    """Raise Conflict unless the feature's first revision makes what is there."""
    made = set(re.findall(r"op\.create_table\(\s*['\"]([^'\"]+)", Path(script.path).read_text()))
    name = Path(script.path).stem
    if lacking := sorted(made - baseline.names):
        raise Conflict(
            "other-baseline",
            f"The first revision of {feature.name}, {name}, makes tables that this database does "
            f"not have: {', '.join(lacking)}. Cure: an adoption marks a database that has all of "
            "them; another one gets them by `trivet migrate`.",
        )
    if beyond := sorted(baseline.names - made):
        raise Conflict(
            "other-baseline",
            f"This database has tables of {feature.name} that its first revision, {name}, does not "
            f"make: {', '.join(beyond)}. Cure: adopt the database that has them first, without the "
            "revision, or drop them here.",
        )


def _require_own_names(connection: Connection) -> None:
    """Raise Conflict for tables of theirs that are called like the platform's."""
    if applied_to(connection):
        return
    own = {each.name for each in tables_of(PLATFORM) if not each.info.get("external")}
    if taken := sorted(own & tables_of_database(connection)):
        raise Conflict(
            "table-taken",
            f"The database has tables that are called like Trivet's own: {', '.join(taken)}. Cure: "
            "rename them, or give Trivet's tables a schema of their own by the search path of "
            "TRIVET_DATABASE_URL's user.",
        )


def _others(connection: Connection) -> Iterable[str]:
    ours = {*scope.all_tables().tables, VERSION_TABLE}
    return tables_of_database(connection) - ours
