"""An installation, and the commands that an operator runs on it."""

import json
import os
import subprocess
import sys
from typing import Any

from sqlalchemy import create_engine, text

from tests.services.databases import environment, run_trivet


class Installation:
    """Runs commands on one database."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.env = {**environment(url), "COLUMNS": "200"}

    def run(self, *arguments: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        done = run_trivet(*arguments, env=self.env)
        assert done.returncode == code, done
        return done

    def json(self, *arguments: str, code: int = 0) -> Any:
        return json.loads(self.run(*arguments, "--json", code=code).stdout)


def execute(url: str, statement: str) -> None:
    """Run a statement past every command."""
    engine = create_engine(url.replace("postgresql:", "postgresql+psycopg:"))
    try:
        with engine.begin() as connection:
            connection.execute(text(statement))
    finally:
        engine.dispose()


def same_features(installation: Installation, url: str) -> Installation:
    """An installation of the same features on another database."""
    other = Installation(url)
    other.env = {**installation.env, "TRIVET_DATABASE_URL": other.env["TRIVET_DATABASE_URL"]}
    return other


def answer_at_a_terminal(installation: Installation, answer: str, *command: str) -> str:
    """Run a command with a terminal, at which `answer` is typed; returns what stood there."""
    ours, theirs = os.openpty()
    os.write(ours, f"{answer}\n".encode())
    done = subprocess.run(
        [sys.executable, "-m", "trivet_deploy.cli", *command],
        env=installation.env,
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=120,
    )
    os.close(ours)
    os.close(theirs)
    assert done.returncode == 0, done.stdout
    return done.stdout
