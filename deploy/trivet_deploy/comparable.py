"""The database with which models are compared to write a revision.

It is the one of the settings if that has every revision, because its rows say which values are
missing. A fresh clone has none, and a colleague's may be behind. The revisions are then replayed
into a file of SQLite of a moment, which says all that a new revision asks for but comments and
enumerations.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory

from trivet import migrations
from trivet.errors import ConfigurationError, TrivetError
from trivet.features import Feature
from trivet_deploy.cli.console import say
from trivet_deploy.schema import find_database_fault
from trivet_settings import Settings


@contextmanager
def comparable(settings: Settings, features: Sequence[Feature]) -> Iterator[str]:
    """The address of a database at the newest revisions of this code.

    Raises ConfigurationError if the revisions run on PostgreSQL alone and the database of the
    settings does not have them all, and for a database that other code migrated.
    """
    if not find_database_fault(settings) and not _lacks_revisions(settings, features):
        yield settings.database_url
        return
    with replayed(features) as url:
        say(
            f"{settings.database.masked} is not there or does not have every revision: compared "
            "with a database of a moment, made of the revisions. It has no rows."
        )
        yield url


def _lacks_revisions(settings: Settings, features: Sequence[Feature]) -> bool:
    # Raises for revisions that nobody knows here: a replay would hide them.
    return migrations.requires_upgrade(settings.database_url, features)


@contextmanager
def replayed(features: Sequence[Feature]) -> Iterator[str]:
    """The address of a new database with every revision, for the length of the block. Raises
    ConfigurationError, with the line, for a revision that SQLite does not run."""
    with TemporaryDirectory() as folder:
        url = f"sqlite:///{Path(folder) / 'replayed.sqlite3'}"
        try:
            with redirect_stdout(StringIO()):
                migrations.upgrade(url, features)
        except TrivetError as error:
            raise ConfigurationError(
                "pending",
                f"The database is behind, and its revisions do not run on SQLite: {error.detail} "
                "Cure: run `trivet migrate`.",
            ) from error
        yield url
