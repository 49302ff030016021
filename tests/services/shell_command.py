"""`trivet` for a shell of the tests: a fork in the place of a process that imports everything.

The shell finds a small program of this name first on its PATH. It says over a socket with what it
was called and where, passes on the signals that it gets, and ends as the fork ends. What starts
itself again (`dev`), or is a stranger's first command (`demo`), is the real thing.
"""

import json
import socket
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from tests.services.forks import Fork

_PROGRAM = """\
#!{python} -IS
import json, os, signal, socket, sys

if sys.argv[1:2] in (["dev"], ["demo"]):
    os.execv({python!r}, [{python!r}, "-m", "trivet_deploy.cli", *sys.argv[1:]])
streams = [f"/proc/{{os.getpid()}}/fd/{{number}}" for number in range(3)]
asked = {{"arguments": sys.argv[1:], "cwd": os.getcwd(), "env": dict(os.environ)}}
with socket.socket(socket.AF_UNIX) as connection:
    connection.connect({address!r})
    connection.sendall(json.dumps({{**asked, "streams": streams}}).encode() + b"\\n")
    answer = connection.makefile()
    process = int(answer.readline())
    for each in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(each, lambda number, _frame: os.kill(process, number))
    sys.exit(int(answer.readline()))
"""


@contextmanager
def forked_command() -> Iterator[Path]:
    """A directory with `trivet`, to stand first on the PATH of a shell during the block."""
    with tempfile.TemporaryDirectory() as name, socket.socket(socket.AF_UNIX) as listening:
        address = str(Path(name) / "socket")
        listening.bind(address)
        listening.listen()
        threading.Thread(target=_accept, args=(listening,), daemon=True).start()
        program = Path(name) / "trivet"
        program.write_text(_PROGRAM.format(python=sys.executable, address=address))
        program.chmod(0o755)
        try:
            yield program.parent
        finally:
            with suppress(OSError):
                listening.shutdown(socket.SHUT_RDWR)  # the thread waits there


def _accept(listening: socket.socket) -> None:
    while True:
        try:
            connection, _ = listening.accept()
        except OSError:
            return
        threading.Thread(target=_run, args=(connection,), daemon=True).start()


def _run(connection: socket.socket) -> None:
    with closing(connection), connection.makefile("rw") as stream:
        asked = json.loads(stream.readline())
        given, output, errors = map(Path, asked["streams"])
        fork = Fork(
            asked["arguments"],
            env=asked["env"],
            cwd=Path(asked["cwd"]),
            given=given,
            output=output,
            errors=errors,
        )
        stream.write(f"{fork.pid}\n")
        stream.flush()
        code = fork.wait()
        with suppress(OSError):  # whoever has asked may be gone
            stream.write(f"{code if code >= 0 else 128 - code}\n")
            stream.flush()
