"""Users and keys for server tests, made by the command line as an operator would."""

import subprocess
import sys

from tests.services.databases import environment, run_trivet

PASSWORD = "correct horse battery staple"


def make_user(database_url: str, username: str, *flags: str) -> None:
    """A user with `PASSWORD`. Raises RuntimeError, with the output, if the command fails."""
    command = ["users", "create", username, f"--email={username}@example.org", "--password-stdin"]
    done = subprocess.run(
        [sys.executable, "-m", "trivet_deploy.cli", *command, *flags],
        env=environment(database_url),
        input=PASSWORD + "\n",
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise RuntimeError(done.stdout + done.stderr)


def make_key(database_url: str, username: str, *flags: str) -> str:
    """A new user's API key."""
    make_user(database_url, username, *flags)
    done = run_trivet("keys", "create", username, "--label=tests", env=environment(database_url))
    if done.returncode != 0:
        raise RuntimeError(done.stdout + done.stderr)
    return done.stdout.strip()
