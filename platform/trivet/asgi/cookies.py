"""The names of our cookies, so that two installations on one host share none."""

import re

from trivet_settings import Settings

HOST_PREFIX = "__Host-"
"""Browsers take a cookie of such a name only over https, for the whole host and from itself, so
that no neighbouring subdomain can set one for us (RFC 6265bis, 4.1.3.2)."""
USUAL_PORT = 8000
"""The port of `dev` and `serve`, which needs no mention."""


def cookie_name(name: str, settings: Settings) -> str:
    """The full name of a cookie of ours; with the prefix of a host's own under https. Its path is
    always ``/`` and it has no domain, as the prefix demands.

    A browser sends a cookie to every port of a host, and ours to every path. So the name holds the
    port and the path of the public address: two installations on one host neither share sessions
    nor end each other's.
    """
    public = settings.public
    port = f"_{public.port}" if public.port not in (None, USUAL_PORT) else ""
    path = re.sub(r"[^A-Za-z0-9]", "_", public.path)
    full = f"{name}{port}{path}"
    return f"{HOST_PREFIX}{full}" if settings.secure_cookies else full
