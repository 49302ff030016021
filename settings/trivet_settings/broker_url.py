"""The value of TRIVET_BROKER: a name, or the address of a Redis or Valkey server."""

from urllib.parse import urlsplit

from trivet_settings.host import require_host

NAMES = ("memory", "postgresql")
SCHEMES = ("redis", "rediss", "valkey", "valkeys", "unix")
SHAPES = "memory, postgresql or redis://user:password@host:6379 (rediss:// with TLS)"


def check(text: str) -> str:
    """`text`, if it can be right. Raises ValueError with a sentence that does not quote it."""
    if not text or text in NAMES:
        return text
    parts = urlsplit(text)
    if parts.scheme not in SCHEMES:
        raise ValueError(f"is none of {', '.join(NAMES)} and no address of a Redis or Valkey")
    if parts.scheme == "unix":
        if not parts.path:
            raise ValueError("names no socket: unix:///path/to/socket")
        return text
    require_host(parts)
    return text


def masked(url: str) -> str:
    """The address without name, password and options, for people."""
    parts = urlsplit(url)
    if parts.scheme == "unix":
        return f"unix://{parts.path}"
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    return f"{parts.scheme}://{host}:{parts.port or 6379}"
