"""The revisions one by one: what waits, what there is, and the way to a certain one."""

import io
from collections.abc import Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path

from alembic import command
from alembic.script import Script, ScriptDirectory
from sqlalchemy import Connection

from trivet.data.single_connection import connect
from trivet.errors import ConfigurationError
from trivet.features import Feature
from trivet.migrations.differences import PLATFORM
from trivet.migrations.history import applied_to, configure, folder_of, with_ancestors

BASE = "base"
"""The place before the first revision."""


@dataclass(frozen=True, slots=True)
class Step:
    """A revision.

    Attributes:
        owner: Its feature, or ``trivet``.
        name: The name of its file, without the ending.
        about: Its message.
        is_applied: Whether the database has it.
    """

    owner: str
    name: str
    about: str
    is_applied: bool


def steps(url: str | None, features: Sequence[Feature]) -> list[Step]:
    """All revisions, in an order in which a fresh database gets them. Without a `url` none is
    applied."""
    applied: set[str] = set()
    if url is not None:
        with connect(url) as connection:
            applied = _applied(connection, features)
    scripts = _scripts(features)
    owners = {folder_of(each): each.name for each in features} | {folder_of(None): PLATFORM}
    return [
        Step(
            owners[Path(each.path).parent],
            Path(each.path).stem,
            each.doc.rstrip("."),
            each.revision in applied,
        )
        for each in reversed(list(scripts.walk_revisions()))
    ]


def write_sql(url: str, features: Sequence[Feature]) -> str:
    """The statements that would apply what waits; nothing is changed.

    Raises:
        ConfigurationError: The database is SQLite, where a change of a table is a copy of what is
            there, or a revision asks the database what to do.
    """
    output = io.StringIO()
    with connect(url) as connection:
        if connection.dialect.name == "sqlite":
            raise ConfigurationError(
                "no-sql", "On SQLite a table is changed by copying it, which no script can say."
            )
        config = configure(features, connection)
        config.attributes["starting_rev"] = list(applied_to(connection))
        config.output_buffer = output
        with redirect_stdout(output):
            command.upgrade(config, "heads", sql=True)
    return output.getvalue()


@dataclass(frozen=True, slots=True)
class Target:
    """A place in the history of a feature.

    Attributes:
        revision: The place, as Alembic knows it.
        is_back: Whether the way leads back: it is the base, or the database has the revision.
        taken_back: The names of the applied revisions behind it, which the way back undoes.
    """

    revision: str
    is_back: bool
    taken_back: tuple[str, ...]


def find_target(url: str, features: Sequence[Feature], wanted: str) -> Target:
    """The place that `wanted` names.

    Args:
        url: The database.
        features: All features.
        wanted: ``feature@0002``, the beginning of the name of a file of that feature;
            ``feature@base`` before its first.

    Raises:
        ConfigurationError: There is no such feature or revision.
    """
    name, _, start = wanted.partition("@")
    owner = next((each for each in features if each.name == name), None)
    if (owner is None and name != PLATFORM) or not start:
        known = ", ".join([PLATFORM, *(each.name for each in features)])
        raise ConfigurationError(
            "no-revision", f"{wanted!r} is none of FEATURE@REVISION. The features are: {known}."
        )
    with connect(url) as connection:
        scripts, applied = _scripts(features), _applied(connection, features)
    folder = folder_of(owner)
    # The newest first, as Alembic walks.
    own = [each for each in scripts.walk_revisions() if Path(each.path).parent == folder]
    done = [each for each in own if each.revision in applied]
    if start == BASE:
        return Target(f"{name}@{BASE}", True, _names(done))
    found = [each for each in own if Path(each.path).name.startswith(start)]
    if len(found) != 1:
        names = ", ".join(sorted(_names(own))) or "none"
        raise ConfigurationError(
            "no-revision", f"{start!r} begins the name of no single revision of {name}: {names}."
        )
    is_back = found[0] in done
    behind = done[: done.index(found[0])] if is_back else []
    return Target(f"{name}@{found[0].revision}", is_back, _names(behind))


def _names(scripts: Sequence[Script]) -> tuple[str, ...]:
    return tuple(Path(each.path).stem for each in scripts)


def _scripts(features: Sequence[Feature]) -> ScriptDirectory:
    return ScriptDirectory.from_config(configure(features, None))


def _applied(connection: Connection, features: Sequence[Feature]) -> set[str]:
    return with_ancestors(_scripts(features), applied_to(connection))
