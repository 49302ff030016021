"""The address of the database, written once and without a driver.

Each of the two ORMs and Alembic needs the address in its own form with its own driver. The setting
therefore names no driver, and this value gives each of them the parts.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from itertools import zip_longest
from pathlib import Path
from types import MappingProxyType
from typing import Literal
from urllib.parse import parse_qsl, unquote

SHAPES = "sqlite:///path/to/file.sqlite3 or postgresql://user:password@host:5432/database"

CONNECT_SECONDS = 3
"""The time for an attempt to connect to one server, if the address has no `connect_timeout`."""

_MEMORY = (
    "an in-memory SQLite database cannot be shared: every connection would see an empty one of "
    "its own"
)


@dataclass(frozen=True, slots=True)
class DatabaseUrl:
    """The parts of a database address.

    A PostgreSQL address has libpq's form. It may name several servers (``host1:5432,host2:5432``),
    and its parts are percent-decoded; the path of SQLite's file is taken as it stands.
    `name` is the database's name on PostgreSQL and the file's path on SQLite (relative to the
    working directory with three slashes, absolute with four). `host` and `port` are libpq's lists,
    with commas. `options` are libpq's other connection parameters from the query string, for
    example `sslmode`; SQLite takes none.
    """

    backend: Literal["sqlite", "postgresql"]
    name: str
    user: str = ""
    password: str = field(default="", repr=False)
    host: str = ""
    port: str = ""
    options: Mapping[str, str] = field(
        default_factory=lambda: MappingProxyType({}), hash=False, repr=False
    )

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
    def server(self) -> str:
        """Host and port, or what stands in their place, fit for a log."""
        return _server(self.host or self.options.get("service", ""), self.port) or "localhost"

    @property
    def masked(self) -> str:
        """The address with the password left out, fit for a log."""
        if self.is_sqlite:
            return f"sqlite:///{self.name}"
        password = ":***" if self.password else ""
        account = f"{self.user}{password}@" if self.user else ""
        ports = self.port.split(",")
        servers = zip_longest(self.host.split(","), ports, fillvalue=ports[0])
        where = ",".join(_server(host or "", port or "") for host, port in servers)
        return f"postgresql://{account}{where}/{self.name}"

    @property
    def connect_options(self) -> Mapping[str, str]:
        """`options`, with a bound for the time that an attempt to connect may take. Without it, a
        host that has vanished would keep every other one from its turn for two minutes."""
        if self.is_sqlite:
            return {}
        return {"connect_timeout": str(CONNECT_SECONDS), **self.options}

    @classmethod
    def parse(cls, text: str) -> "DatabaseUrl":
        """Read an address. Raises ValueError with a sentence that never quotes the address."""
        scheme, separator, _ = text.partition("://")
        if not separator:
            raise ValueError("is not a database address")
        if scheme == "sqlite":
            return cls._parse_sqlite(text)
        if scheme in ("postgresql", "postgres"):  # libpq takes both
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
        location, _, query = text.partition("://")[2].partition("?")
        authority, _, name = location.partition("/")
        # The last @, as a password often holds one that nobody has encoded.
        account, _, servers = authority.rpartition("@")
        user, _, password = account.partition(":")
        options = dict(parse_qsl(query, keep_blank_values=True))
        if options.get("ssl") == "true":  # of JDBC's addresses, which libpq takes too
            options["sslmode"] = "require"
            del options["ssl"]
        _check_options(options)
        hosts, ports = _read_servers(servers)
        # What stands in the query wins, as with libpq.
        name = options.pop("dbname", unquote(name))
        if "/" in name or not (name or "service" in options):
            raise ValueError("does not name one database after the host")
        found = cls(
            "postgresql",
            name,
            options.pop("user", unquote(user)),
            options.pop("password", unquote(password)),
            options.pop("host", hosts),
            options.pop("port", ports),
            MappingProxyType(options),
        )
        _check_ports(found.port, found.host or options.get("hostaddr", ""))
        return found


def _server(host: str, port: str) -> str:
    return (f"[{host}]" if ":" in host else host) + (f":{port}" if port else "")


def _check_options(options: Mapping[str, str]) -> None:
    # libpq itself has the list. It is the version that both ORMs connect with.
    from psycopg.pq import Conninfo

    known = {option.keyword.decode() for option in Conninfo.get_defaults()}
    for option in options:
        if option not in known:
            # A password that was pasted in the wrong place may look like an option.
            close = get_close_matches(option, known, n=1)
            hint = f"; did you mean {close[0]}?" if close else ""
            raise ValueError(f"has an option that PostgreSQL's clients do not know{hint}")


def _read_servers(text: str) -> tuple[str, str]:
    """The hosts and the ports of ``a:1,[::2]:3``, each as libpq's list."""
    hosts, ports = [], []
    for server in text.split(","):
        host, colon, port = server.rpartition(":")
        if not colon or "]" in port:  # the colons of an IPv6 address stand in brackets
            host, port = server, ""
        hosts.append(unquote(host.removeprefix("[").removesuffix("]")))
        ports.append(port)
    return ",".join(hosts), ",".join(ports) if any(ports) else ""


def _check_ports(ports: str, hosts: str) -> None:
    each = ports.split(",")
    if not all(port == "" or (port.isdecimal() and 0 < int(port) < 65536) for port in each):
        raise ValueError("has a port that is no number between 1 and 65535")
    if len(each) > 1 and len(each) != len(hosts.split(",")):
        raise ValueError("has another number of ports than of hosts")
