"""The address under which people reach this installation, set once.

Host checks, cross-site checks and cookie flags are all statements about this one address. Setting
them one by one is how installations end up refusing their own forms.
"""

import re
from dataclasses import dataclass
from ipaddress import IPv6Address
from urllib.parse import urlsplit

import idna

_NAME = re.compile(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*")
SEGMENT = r"(?!\.{1,2}(/|$))[A-Za-z0-9._~-]+"
"""Between two slashes of a path: what everybody writes alike, and no client resolves away as it
does . and .."""
_PATH = re.compile(rf"(/{SEGMENT})*")
LOOPBACK = ("localhost", "127.0.0.1", "[::1]")
_DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class PublicUrl:
    """A public address in parts; `port` is None where the scheme's own port is meant."""

    scheme: str
    host: str
    port: int | None = None
    path: str = ""

    @property
    def origin(self) -> str:
        """Scheme, host and port as a browser's Origin header writes them (RFC 6454 6.2)."""
        return self._origin_of(self.host)

    @property
    def hosts(self) -> tuple[str, ...]:
        """Host names to accept, without ports; a loopback name stands for all of them."""
        return LOOPBACK if self.host in LOOPBACK else (self.host,)

    @property
    def origins(self) -> tuple[str, ...]:
        """Origins that are this site, one for each of `hosts`."""
        return tuple(self._origin_of(host) for host in self.hosts)

    @property
    def is_secure(self) -> bool:
        return self.scheme == "https"

    def _origin_of(self, host: str) -> str:
        port = f":{self.port}" if self.port else ""
        return f"{self.scheme}://{host}{port}"

    def __str__(self) -> str:
        return self.origin + self.path

    @classmethod
    def parse(cls, text: str) -> "PublicUrl":
        """Read an address. The host becomes lower case; a last slash and default port are dropped.

        An international name becomes the one that browsers send (RFC 5890), and the dot of the
        DNS root is dropped. Raises ValueError, with a sentence, if it is no http(s) address of a
        site.
        """
        parts = urlsplit(text)
        if parts.scheme not in _DEFAULT_PORTS or not parts.hostname:
            raise ValueError("is no address that begins with http:// or https:// and a host")
        if parts.username or parts.password or parts.query or parts.fragment:
            raise ValueError("may hold only a scheme, a host, a port and a path")
        try:
            port = parts.port
        except ValueError:
            raise ValueError("has a port that is no number between 0 and 65535") from None
        path = parts.path.rstrip("/")
        if not _PATH.fullmatch(path):
            raise ValueError(
                "has a path that is not like /board (letters, digits and - . _ ~ between single "
                "slashes, no . or .. alone)"
            )
        return cls(
            parts.scheme,
            _host_of(parts.hostname),
            None if port == _DEFAULT_PORTS[parts.scheme] else port,
            path,
        )


def _host_of(name: str) -> str:
    if ":" in name:
        return f"[{IPv6Address(name)}]"
    plain = name.removesuffix(".")
    if _NAME.fullmatch(plain):
        return plain
    try:
        return idna.encode(plain, uts46=True).decode()
    except idna.IDNAError:
        raise ValueError("has a host that is no name of the DNS") from None


def origin_of(text: str) -> str:
    """An origin as a browser's Origin header writes it; ``null`` stays.

    Raises:
        ValueError: `text` is no origin: scheme, host and perhaps a port.
    """
    if text == "null":
        return text
    try:
        url = PublicUrl.parse(text)
    except ValueError as error:
        raise ValueError(f"holds an origin that {error}") from None
    if url.path:
        raise ValueError("holds an address with a path; an origin is scheme, host and port")
    return url.origin
