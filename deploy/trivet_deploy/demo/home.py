"""The directory in which the demonstration keeps what must survive a restart."""

import json
import os
import secrets
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from trivet_settings import Settings, load_settings

USERNAME = "demo"


@dataclass(frozen=True, slots=True)
class Credentials:
    """Made once and kept with the data; `api_key` is empty until the database has one."""

    secret_key: str
    password: str
    username: str = USERNAME
    api_key: str = ""


class DemoHome:
    """The data directory: a SQLite database, and a file of credentials for its owner's eyes."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory.resolve()
        self._file = self.directory / "credentials.json"

    @property
    def is_new(self) -> bool:
        return not self._file.exists()

    def credentials(self) -> Credentials:
        """The credentials, made at the first call of the first start."""
        if self.is_new:
            made = Credentials(secrets.token_urlsafe(48), secrets.token_urlsafe(9))
            self._write(made)
        return Credentials(**json.loads(self._file.read_text()))

    def keep_key(self, api_key: str) -> None:
        """Remember the API key, which the database cannot show again."""
        self._write(replace(self.credentials(), api_key=api_key))

    def settings(self, port: int) -> Settings:
        """The demonstration's settings.

        What it decides wins over the environment; the rest (log level, limits) may come from
        there, but never from a `.env`, which is meant for something else.
        """
        decided: dict[str, Any] = {
            "secret_key": self.credentials().secret_key,
            "public_url": f"http://localhost:{port}",
            "database_url": f"sqlite:///{self.directory / 'demo.sqlite3'}",
            "features": ("departures",),
            "rooms": ("api", "admin", "realtime"),
            "extra_mounts": {},
            "name": "Departures",
            "logo": "/departures/static/departures.svg",
        }
        if "TRIVET_LOG_LEVEL" not in os.environ:
            # The replay's requests would bury the panel under access lines.
            decided["log_level"] = "warning"
        return load_settings(env_file=None, **decided)

    def _write(self, credentials: Credentials) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        # Private before there is anything in it.
        self._file.touch(mode=0o600)
        self._file.write_text(json.dumps(asdict(credentials), indent=2) + "\n")
