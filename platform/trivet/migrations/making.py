"""New revisions: each feature's own, in an order in which a fresh database can be built."""

import re
import shutil
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any

from alembic.autogenerate import RevisionContext
from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.script import Script, ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, ForeignKeyConstraint, inspect

from trivet.data.single_connection import connect
from trivet.errors import ConfigurationError
from trivet.features import Feature
from trivet.migrations import scope
from trivet.migrations.answers import Answers
from trivet.migrations.comparison import Comparison
from trivet.migrations.differences import OWN_PACKAGE, PLATFORM
from trivet.migrations.history import configure, folder_of, require_current, with_revisions
from trivet.migrations.policies import wanted_policies
from trivet.migrations.revisions import Revising
from trivet.migrations.shapes import knowing_indexes
from trivet.models.mapped import our_tables
from trivet.models.views import is_migrated


@dataclass(frozen=True, slots=True)
class Made:
    """A revision that was written: its file, and its risks for existing rows."""

    path: Path
    risks: tuple[str, ...]


def make(
    url: str,
    features: Sequence[Feature],
    names: Sequence[str] = (),
    message: str | None = None,
    answers: Answers | None = None,
) -> list[Made]:
    """Write the revisions that make the database match the models of the features `names` (all
    features by default; ``trivet`` is the platform's own). Models that have not changed need none.

    A file begins with a number, so that a listing of its folder shows the order. Features that
    refer to each other get a second revision with the keys that could not be made in the first.
    `answers` says what only people know; without it nothing is renamed, and nothing may be lost.

    Raises:
        ConfigurationError: There is no such feature, the database is behind, a table to which they
            refer has no revision, rows need a value, something would be lost, or all that differs
            needs a revision by hand.
    """
    require_features(names, features)
    with connect(url) as connection:
        require_current(connection, features)
        maker = _Maker(connection, features, answers or Answers())
        every = [each.name for each in with_revisions(features)]
        made = maker.make_all(names or every, message)
    if not made and maker.by_hand:
        raise ConfigurationError(
            "by-hand",
            f"No revision can be generated for this: {'; '.join(maker.by_hand)}. Cure: write it by "
            "hand.",
        )
    if made and maker.by_hand:
        told = [f"{each}: this revision does not change that" for each in maker.by_hand]
        made[-1] = Made(made[-1].path, (*made[-1].risks, *told))
    return made


class _Maker:
    def __init__(
        self, connection: Connection, features: Sequence[Feature], answers: Answers
    ) -> None:
        self.by_hand: list[str] = []
        self._connection = connection
        self._answers = answers
        self._features = features
        self._policies = wanted_policies(features)
        self._tables = {each.name: scope.tables_of(each.name) for each in with_revisions(features)}
        self._tables[PLATFORM] = scope.tables_of(PLATFORM)
        self._owners = {table: name for name, all_ in self._tables.items() for table in all_}
        self._there = _tables_there(connection)
        self._there |= {t.key for t in our_tables() if not is_migrated(t)}

    def make_all(self, names: Sequence[str], message: str | None) -> list[Made]:
        """All revisions, or none if one of them is refused."""
        made: list[Made] = []
        try:
            self._make_each(made, names, message)
        except BaseException:
            for each in made:
                each.path.unlink()
                _remove_if_empty(each.path.parent)
            raise
        return made

    def _make_each(self, made: list[Made], names: Sequence[str], message: str | None) -> None:
        postponed: dict[str, list[ForeignKeyConstraint]] = {}
        wanted = {table for name in names for table in self._tables[name]}
        for name in _in_order(names, self._references()):
            revising = self._revising(name, wanted)
            made += self._write(revising, message)
            if revising.postponed:
                postponed[name] = revising.postponed
            self._there |= self._tables[name]
        for name, keys in postponed.items():
            revising = self._revising(name, wanted)
            revising.add = keys
            made += self._write(revising, f"{message or 'add'} references")

    def _revising(self, name: str, wanted: set[str]) -> Revising:
        there = {*self._there, *self._tables[name]}
        return Revising(
            name,
            self._owners,
            there.__contains__,
            wanted.__contains__,
            self._answers,
            self._connection,
        )

    def _references(self) -> dict[str, set[str]]:
        """The other features to whose tables each one refers."""
        found: dict[str, set[str]] = {name: set() for name in self._tables}
        for table in our_tables():
            owner = self._owners.get(table.key)
            for key in table.foreign_keys:
                target = self._owners.get(key.target_fullname.rpartition(".")[0])
                if owner is not None and target is not None and target != owner:
                    found[owner].add(target)
        return found

    def _write(self, revising: Revising, message: str | None) -> list[Made]:
        """The revision, if there is anything to be done."""
        name = revising.owner
        owner = next((each for each in self._features if each.name == name), None)
        asked = Asked(revising.revise, message, self._tables[name])
        asked.comparison.policies = self._policies
        script = write_revision(self._connection, self._features, owner, asked)
        self.by_hand += [sentence for _, sentence in asked.comparison.unwritten]
        return [] if script is None else [Made(Path(script.path), tuple(asked.risks))]


def _tables_there(connection: Connection) -> set[str]:
    look = inspect(connection)
    found = set(look.get_table_names())
    for schema in scope.schemas().intersection(look.get_schema_names()):
        found |= {f"{schema}.{name}" for name in look.get_table_names(schema)}
    return found


@dataclass
class Asked:
    """A revision that is to be written: what changes it before, its message, and the tables that
    are compared. Its risks, and what was compared, are noted here."""

    revise: Callable[[Any], None]
    message: str | None
    tables: Collection[str] = ()
    risks: list[str] = field(default_factory=list)
    comparison: Comparison = field(default_factory=Comparison)


def write_revision(
    connection: Connection, features: Sequence[Feature], owner: Feature | None, asked: Asked
) -> Script | None:
    """Write the next revision of `owner`, of the platform without one; None if nothing is to be
    done."""
    name = PLATFORM if owner is None else owner.name
    folder = folder_of(owner)
    is_first = not _revisions_in(folder)
    folder.mkdir(exist_ok=True)
    config = configure(features, connection)
    config.attributes |= {
        "tables": asked.tables,
        "risks": asked.risks,
        "comparison": asked.comparison,
        "revise": asked.revise,
    }
    config.set_main_option("file_template", f"{_next_number(folder):04d}_%%(slug)s")
    options = {
        "message": asked.message,
        "head": "base" if is_first else f"{name}@head",
        "branch_label": name if is_first else None,
        "version_path": str(folder),
        "depends_on": [f"{PLATFORM}@head"] if is_first and owner else None,
    }
    try:
        script = _generate(config, options)
    except CommandError as error:
        raise ConfigurationError("revision", str(error)) from error
    finally:
        _remove_if_empty(folder)
    return script


def _remove_if_empty(folder: Path) -> None:
    """Remove a folder that holds nothing, or what Python made of files that are gone."""
    if all(each.name == "__pycache__" for each in folder.iterdir()):
        shutil.rmtree(folder)


def _generate(config: Config, options: Mapping[str, Any]) -> Script | None:
    """Alembic's own command, without its demand that every revision is applied: those that were
    written a moment ago are not, and were compared with the same database."""
    scripts = ScriptDirectory.from_config(config)
    arguments = {"autogenerate": True, "sql": False, "splice": False, "rev_id": None, **options}
    revision = RevisionContext(config, scripts, arguments)

    def compare(_applied: Any, context: Any) -> list[Any]:
        scope.write_percents_once(context)
        revision.run_autogenerate("heads", context)
        return []

    environment = EnvironmentContext(
        config, scripts, fn=compare, template_args=revision.template_args, revision_context=revision
    )
    with environment, knowing_indexes():
        scripts.run_env()
    return next(iter(revision.generate_scripts()), None)


def _in_order(names: Sequence[str], references: Mapping[str, set[str]]) -> list[str]:
    """Whoever is referred to comes first. Where features refer to each other, their given order
    stays."""
    graph = {name: references[name].intersection(names) for name in names}
    while True:
        try:
            return list(TopologicalSorter(graph).static_order())
        except CycleError as error:
            cycle: list[str] = error.args[1]  # each is needed by the one behind it
            first = min(cycle, key=names.index)
            graph[first] -= {cycle[cycle.index(first, 1) - 1]}


def require_features(names: Sequence[str], features: Sequence[Feature]) -> None:
    """Raise ConfigurationError unless each of `names` is a feature, or the platform."""
    for each in features:
        if each.only_classes and each.name in names:
            raise ConfigurationError(
                "no-revisions",
                f"{each.name} has no folder for revisions, because TRIVET_FEATURES names its "
                f"classes alone. {OWN_PACKAGE.format(name=each.name, package=each.package)}",
            )
    known = [PLATFORM, *(each.name for each in features)]
    for name in names:
        if name not in known:
            raise ConfigurationError(
                "no-feature", f"There is no feature {name!r}; known are: {', '.join(known)}."
            )


def _next_number(folder: Path) -> int:
    """The next number of a file: one more than the highest, or than the number of files."""
    revisions = _revisions_in(folder)
    numbers = [int(found[1]) for name in revisions if (found := re.match(r"(\d{4})_", name))]
    return max(len(revisions), *numbers, 0) + 1


def _revisions_in(folder: Path) -> list[str]:
    return [path.name for path in folder.glob("*.py") if path.name != "__init__.py"]
