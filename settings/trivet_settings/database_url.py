"""The address of the database, written once and without a driver.

Each of the two ORMs and Alembic needs the address in its own form with its own driver. The setting
therefore names no driver, and this value gives each of them the parts.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Literal
from urllib.parse import parse_qsl, unquote, urlsplit

SHAPES = "sqlite:///path/to/file.sqlite3 or postgresql://user:password@host:5432/database"

_MEMORY = (
    "an in-memory SQLite database cannot be shared: every connection would see an empty one of "
    "its own"
)


@dataclass(frozen=True, slots=True)
class DatabaseUrl:
    """The parts of a database address.

    User, password and host are percent-decoded; the name and the path are taken as they stand,
    which is how SQLAlchemy reads them.
    `name` is the database's name on PostgreSQL and the file's path on SQLite (relative to the
    working directory with three slashes, absolute with four). `options` are libpq's connection
    parameters from the query string, for example `sslmode`; SQLite takes none.
    """

    backend: Literal["sqlite", "postgresql"]
    name: str
    user: str = ""
    password: str = field(default="", repr=False)
    host: str = ""
    port: int | None = None
    options: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}), hash=False)

    @property
    def is_sqlite(self) -> bool:
        return self.backend == "sqlite"

    @property
    def path(self) -> Path:
        """The file of a SQLite database. Raises ValueError on PostgreSQL, which has none."""
        if not self.is_sqlite:
            raise ValueError("a PostgreSQL database has no file path")
        return Path(self.name)

    @property
    def masked(self) -> str:
        """The address with the password left out, fit for a log."""
        if self.is_sqlite:
            return f"sqlite:///{self.name}"
        password = ":***" if self.password else ""
        account = f"{self.user}{password}@" if self.user else ""
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = f":{self.port}" if self.port else ""
        return f"postgresql://{account}{host}{port}/{self.name}"

    @classmethod
    def parse(cls, text: str) -> "DatabaseUrl":
        """Read an address. Raises ValueError with a sentence that never quotes the address."""
        scheme, separator, _ = text.partition("://")
        if not separator:
            raise ValueError("is not a database address")
        if scheme == "sqlite":
            return cls._parse_sqlite(text)
        if scheme == "postgresql":
            return cls._parse_postgresql(text)
        if scheme.partition("+")[0] in {"sqlite", "postgresql"}:
            raise ValueError(
                "names a driver; each framework brings its own, so leave out the part from +"
            )
        # The scheme stands before any password, but a password pasted without a scheme may
        # itself hold "://": nothing of the text is repeated.
        raise ValueError("does not begin with sqlite:/// or postgresql://")

    @classmethod
    def _parse_sqlite(cls, text: str) -> "DatabaseUrl":
        path = text.removeprefix("sqlite://")
        if path in {"", "/", "/:memory:"} or "mode=memory" in path:
            raise ValueError(_MEMORY)
        if not path.startswith("/"):
            raise ValueError("has two slashes after sqlite:, but a file needs three")
        if "?" in path:
            raise ValueError("has options, but SQLite takes none")
        return cls("sqlite", path.removeprefix("/"))

    @classmethod
    def _parse_postgresql(cls, text: str) -> "DatabaseUrl":
        parts = urlsplit(text)
        name = parts.path.removeprefix("/")
        if not name or "/" in name:
            raise ValueError("does not name one database after the host")
        try:
            port = parts.port
        except ValueError:
            raise ValueError("has a port that is no number between 0 and 65535") from None
        return cls(
            "postgresql",
            name,
            unquote(parts.username or ""),
            unquote(parts.password or ""),
            unquote(parts.hostname or ""),
            port,
            MappingProxyType(dict(parse_qsl(parts.query))),
        )
