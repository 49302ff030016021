"""The host and port in an address that somebody wrote."""

from urllib.parse import SplitResult


def require_host(parts: SplitResult) -> None:
    """Raises ValueError, with a sentence, if an address names no host or no port that can be."""
    try:
        _ = parts.port
    except ValueError:
        raise ValueError("has a port that is no number from 0 to 65535") from None
    if not parts.hostname:
        raise ValueError("names no host")
