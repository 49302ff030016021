"""Processes of Trivet, forked from one that has imported what all of them import.

To import three frameworks costs a process seconds, more so under coverage, and nothing of ours
happens at import. So one process of each run imports them and opens nothing; a command, or a
server, is a fork of it, with an environment, a directory and streams of its own. From there on it
is what `python -m trivet_deploy.cli` is. What the entry imports, `trivet dev` and `trivet demo` are
tested from nothing.
"""

import atexit
import contextlib
import multiprocessing
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

# Features are not among them: a process has the tables of those that its settings name.
PRELOADED = [
    "trivet_deploy.asgi",
    "trivet_deploy.cli",
    "trivet_deploy.unit",
    "trivet_deploy.django_commands",
    "trivet_deploy.server.gunicorn_app",
    "trivet_deploy.server.gunicorn_worker",
    "trivet_deploy.composition",
    "trivet_admin",
    "trivet_admin.apps",
    "trivet_admin.auth.hashing",
    "trivet_admin.auth.session_store",
    "trivet_admin.backends.associations",
    "trivet_admin.backends.postgresql.base",
    "trivet_admin.backends.sqlite3.base",
    "trivet_admin.connections.rows",
    "trivet_admin.joined.observers",
    "trivet_admin.mirror.columns",
    "trivet_admin.outcomes",
    "trivet_api",
    "trivet_realtime",
    "aiosqlite",
    "alembic.command",
    "anyio._backends._asyncio",
    "django.contrib.admin.sites",
    "django.contrib.auth.apps",
    "django.contrib.contenttypes.apps",
    "django.contrib.staticfiles.apps",
    "django.core.asgi",
    "django.core.management.commands.migrate",
    "django.forms",
    "django.views.generic",
    "psycopg_pool",
    "sqlalchemy.ext.associationproxy",
    "sqlalchemy.ext.hybrid",
    "tests.services.forks",
    "typer.rich_utils",
    "uvicorn.lifespan.on",
    "uvicorn.loops.uvloop",
    "uvicorn.protocols.http.httptools_impl",
    "uvicorn.protocols.websockets.websockets_sansio_impl",
    "tests.services.frozen",
]

_READ, _APPEND = os.O_RDONLY, os.O_WRONLY | os.O_CREAT | os.O_APPEND


class Fork:
    """A process, with as much of the face of `subprocess.Popen` as the tests look at."""

    def __init__(
        self,
        arguments: Sequence[str],
        *,
        env: Mapping[str, str],
        output: Path,
        cwd: Path | None = None,
        errors: Path | None = None,
        given: Path | None = None,
    ) -> None:
        """Start `trivet` with `arguments`. It writes to the files `output` and `errors`, by
        default both to `output`, and reads from the file `given`, by default nothing."""
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(PRELOADED)
        streams = [str(path) for path in (given or os.devnull, output, errors or output)]
        output.touch()  # whoever asks reads it before the process has come so far
        self._process = context.Process(
            target=_run,
            args=(list(arguments), dict(env), str(cwd or Path.cwd()), tuple(streams)),
            daemon=True,  # or pytest would wait at its own end for one that was left behind
        )
        self._process.start()
        assert self._process.pid is not None
        self.pid = self._process.pid

    @property
    def returncode(self) -> int | None:
        return self._process.exitcode

    def poll(self) -> int | None:
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        self._process.join(timeout)
        if self._process.exitcode is None:
            raise subprocess.TimeoutExpired("trivet", timeout or 0)
        return self._process.exitcode

    def send_signal(self, sig: int) -> None:
        if self._process.exitcode is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, sig)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def _run(
    arguments: list[str], env: Mapping[str, str], cwd: str, streams: tuple[str, str, str]
) -> None:
    os.setsid()  # an interrupt of the tests ends it through the fixture
    for number, (path, flags) in enumerate(zip(streams, (_READ, _APPEND, _APPEND), strict=True)):
        opened = os.open(path, flags, 0o666)
        os.dup2(opened, number)
        os.close(opened)
    sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115  # as long as the process
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(env)
    sys.path[:0] = [path for path in env.get("PYTHONPATH", "").split(os.pathsep) if path]
    sys.argv = ["trivet", *arguments]
    from trivet_deploy.cli import main

    try:
        main()
    finally:
        # A process of its own would, and a fork of multiprocessing does not.
        atexit._run_exitfuncs()
