"""The supervisor of `trivet dev`: what it watches, and what counts as a change.

uvicorn's own looks at every ``*.py`` below the working directory, four times a second. A project
mostly has its environment there, thousands of files, and its settings in a ``.env``, which is none
of them. This one passes by what is nobody's source, and sees files that come and go, too.
"""

import logging
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from socket import socket

from uvicorn import Config
from uvicorn.supervisors.basereload import BaseReload

SETTINGS = ".env"
_NO_SOURCE = frozenset({"__pycache__", "node_modules"})
_ENVIRONMENT = "pyvenv.cfg"
"""The file that every virtual environment has, whatever its folder is called."""

Look = dict[Path, tuple[int, int]]
"""Files, each with when it was changed (ns) and its size (bytes)."""


class ProjectReload(BaseReload):
    """Starts the application again when a Python file in `folders`, or ``.env`` in the first of
    them, changes, comes or goes."""

    def __init__(
        self,
        config: Config,
        target: Callable[[list[socket] | None], None],
        sockets: list[socket],
        folders: Sequence[Path],
    ) -> None:
        super().__init__(config, target, sockets)
        self.reloader_name = "trivet dev"
        self._folders = folders
        self._seen = self._look()

    def should_restart(self) -> list[Path] | None:
        """The files that are not as they were, after a pause."""
        self.pause()
        before, self._seen = self._seen, self._look()
        changed = dict(before.items() ^ self._seen.items())
        return sorted(changed) or None

    def _look(self) -> Look:
        found = {}
        for path in self._watched():
            try:
                status = path.stat()
            except OSError:  # it has gone meanwhile
                continue
            found[path] = (status.st_mtime_ns, status.st_size)
        return found

    def _watched(self) -> Iterator[Path]:
        yield self._folders[0] / SETTINGS
        for top in self._folders:
            for folder, inner, files in os.walk(top):
                if _ENVIRONMENT in files and Path(folder) != top:
                    inner.clear()
                    continue
                inner[:] = [each for each in inner if not _is_passed_by(each)]
                yield from (Path(folder, each) for each in files if each.endswith(".py"))


def _is_passed_by(folder: str) -> bool:
    return folder.startswith(".") or folder in _NO_SOURCE


def quiet_restarts() -> None:
    """Drop the lines of a process that stops and starts, of which a developer has twenty with each
    change. What goes wrong in it is logged."""
    logging.getLogger("trivet.lifecycle").setLevel(logging.WARNING)
    logging.getLogger("uvicorn.error").addFilter(_is_no_step)


def _is_no_step(record: logging.LogRecord) -> bool:
    return record.levelno > logging.INFO or not str(record.msg).startswith(_STEPS)


_STEPS = (
    "Started server process",
    "Waiting for",
    "Shutting down",
    "Application shutdown complete",
    "Finished server process",
)
