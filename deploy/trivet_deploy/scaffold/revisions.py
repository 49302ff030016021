"""The revision of a new model, made beside a database of a moment.

So it does not matter how far the project's own database is, or whether there is one.
"""

import importlib
import json
import subprocess
import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory

from trivet.errors import Invalid
from trivet_deploy.scaffold.tidying import tidy

SECONDS = 120


def make_revision(entries: Sequence[str], feature: str, message: str) -> list[Path]:
    """Write the revision of `feature` that its models ask for, where `entries` are the features of
    the project. Raises Invalid with the sentence of what is wrong."""
    from trivet import migrations
    from trivet.features import load_features

    importlib.invalidate_caches()  # the files were not there when Python looked last
    try:
        with TemporaryDirectory() as folder, redirect_stdout(StringIO()):
            features = load_features(entries)
            url = f"sqlite:///{Path(folder) / 'revision.sqlite3'}"
            migrations.upgrade(url, features)
            made = migrations.make(url, features, [feature], message)
    except Exception as error:
        said = str(error).strip().splitlines() or [type(error).__name__]
        raise Invalid("revision", f"Nothing was written: {said[0]}") from error
    for each in made:
        tidy(each.path)
    return [each.path for each in made]


def make_revision_anew(
    folder: Path, entries: Sequence[str], feature: str, message: str
) -> list[Path]:
    """Do as `make_revision`, in a process of its own: a class that was read before its file was
    written anew cannot be mapped again."""
    command = [sys.executable, "-m", __name__, feature, message, *entries]
    done = subprocess.run(  # noqa: S603  # our own module, with names that were checked
        command, cwd=folder, capture_output=True, text=True, timeout=SECONDS, check=False
    )
    if done.returncode != 0:
        said = done.stderr.strip().splitlines() or ["Nothing was written, and nobody says why."]
        raise Invalid("revision", said[-1])
    return [Path(each) for each in json.loads(done.stdout)]


def main(feature: str, message: str, *entries: str) -> None:
    """Make the revision, and print its paths as JSON."""
    try:
        made = make_revision(entries, feature, message)
    except Invalid as error:
        sys.exit(error.detail)
    print(json.dumps([str(each) for each in made]))  # noqa: T201  # the answer to the process above


if __name__ == "__main__":
    main(*sys.argv[1:])
