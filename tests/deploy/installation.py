"""An installation, and the commands that an operator runs on it."""

import json
import subprocess
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
