"""The Host header, read strictly by its grammar.

Links, redirects, cookies and Django's own checks take this site's name from it. So a value that is
not a host with an optional port (RFC 9110, 7.2; RFC 3986, 3.2.2 and 3.2.3) is refused, however
similar to our name it looks.
"""

import re
from collections.abc import Iterable
from ipaddress import AddressValueError, IPv6Address
from typing import NamedTuple

from starlette.types import Scope

_AUTHORITY = re.compile(
    r"(?P<name>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~!$&'()*+,;=-]+)(?::(?P<port>[0-9]*))?", re.ASCII
)
"""``uri-host [ ":" port ]``. Percent-encoded names and IPvFuture are left out, because no site has
such a name, and zones of IPv6 addresses, because they have a meaning on one machine only."""
_LONGEST = 255
"""Characters of a name in the DNS (RFC 1035, 2.3.4)."""
_LAST_PORT = 65535
_REMEMBERED = 64
"""Spellings that are read once. Clients of a site use a few; a client that tries ports is no reason
to keep them all."""


class Host(NamedTuple):
    """A host in the form in which hosts are compared: lower case, without a root dot, an IPv6
    address in brackets and as RFC 5952 writes it. `port` is None if it is missing or empty."""

    name: str
    port: int | None = None

    def __str__(self) -> str:
        return self.name if self.port is None else f"{self.name}:{self.port}"


def parse_host(text: str) -> Host | None:
    """The host that a Host header's value names; None if the value does not fit the grammar."""
    found = _AUTHORITY.fullmatch(text)
    if found is None:
        return None
    name, port = _normalise(found["name"]), found["port"] or None
    # Leading zeros are allowed, but a number of any length would be work to convert.
    if name is None or (port is not None and len(port.lstrip("0")) > len(str(_LAST_PORT))):
        return None
    number = None if port is None else int(port)
    if number is not None and not 0 < number <= _LAST_PORT:
        return None
    return Host(name, number)


def _normalise(name: str) -> str | None:
    if name.startswith("["):
        try:
            return f"[{IPv6Address(name[1:-1])}]"
        except AddressValueError:
            return None
    # A name may end with one dot of the root (RFC 3986, 3.2.2).
    plain = name.removesuffix(".").lower()
    is_name = 0 < len(plain) <= _LONGEST and all(plain.split("."))
    return plain if is_name else None


class HostCheck:
    """Whether a request names one of `names`, which are written as in a Host header."""

    def __init__(self, names: Iterable[str]) -> None:
        self._names = frozenset(str(parse_host(name) or name) for name in names)
        self._known: dict[str, str] = {}  # accepted spellings, each with its one form

    def accepts(self, scope: Scope) -> bool:
        """Whether the scope has exactly one Host, and it is ours.

        Another spelling of our host is replaced in the scope by the form for comparison, so that
        the code behind does not have to know the spellings.
        """
        given = [n for n, header in enumerate(scope["headers"]) if header[0] == b"host"]
        if len(given) != 1:
            return False
        text = scope["headers"][given[0]][1].decode("latin-1")
        form = self._known.get(text) or self._read(text)
        if not form:
            return False
        if form != text:
            headers = list(scope["headers"])
            headers[given[0]] = (b"host", form.encode())
            scope["headers"] = headers
        return True

    def _read(self, text: str) -> str:
        """The one form of a spelling of ours; empty for any other host."""
        host = parse_host(text)
        if host is None or host.name not in self._names:
            return ""
        if len(self._known) < _REMEMBERED:
            self._known[text] = str(host)
        return str(host)
