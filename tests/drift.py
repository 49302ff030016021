"""`python -m tests.drift`: the models, Django's migrations and Alembic's say the same.

Runs `trivet migrate` and then `trivet migrate --check` on a SQLite file that is thrown away.
"""

import sys
import tempfile
from pathlib import Path

from tests.services.databases import environment, run_trivet


def main() -> int:
    """Print what has drifted, if anything has. Returns the exit code."""
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        env = environment(f"sqlite:///{directory / 'drift.sqlite3'}")
        for arguments in (["migrate"], ["migrate", "--check"]):
            done = run_trivet(*arguments, env=env, cwd=directory)
            if done.returncode != 0:
                command = " ".join(arguments)
                print(f"`trivet {command}` failed:", done.stdout, done.stderr, sep="\n")  # noqa: T201
                return done.returncode
    print("Models and migrations agree.")  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
