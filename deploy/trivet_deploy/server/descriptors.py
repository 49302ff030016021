"""The number of files that a process may have open; each socket is one.

Shells and service managers give 1,024, for the sake of old programs that use `select`, and allow
far more to who asks. At the bound nobody is accepted any more; `trivet.asgi.open_files` says so.
"""

import resource
from contextlib import suppress


def raise_descriptor_limit() -> None:
    """Let this process, and those that it makes, have as many as it may."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(ValueError, OSError):  # macOS calls it infinite, and takes no such number
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
