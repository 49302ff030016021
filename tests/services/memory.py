"""Directories in memory, where there is plenty of it.

A database is many files, or one that is waited for: to bring one back, and to commit in it, takes a
tenth of the time there. Nothing may be executed in some of these directories.
"""

import shutil
import tempfile
from pathlib import Path

MEMORY = Path("/dev/shm")  # noqa: S108  # its directories have names that nobody can guess
MEMORY_BYTES = 2 * 2**30


def memory_directory(prefix: str) -> "tempfile.TemporaryDirectory[str]":
    """A new directory in memory; without room there, in the system's directory for such files."""
    has_room = MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > MEMORY_BYTES
    parent = MEMORY if has_room else None
    return tempfile.TemporaryDirectory(prefix=prefix, dir=parent, ignore_cleanup_errors=True)
