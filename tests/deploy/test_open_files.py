"""A process that can soon take no more connections says so, before it hangs up on everybody."""

import resource
import socket
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.services.children import children_of
from tests.services.server import Server

pytestmark = pytest.mark.once


def open_files(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def test_a_process_that_has_few_files_left_says_so_and_what_to_do(server: Server) -> None:
    [worker] = children_of(server.process.pid)
    limit = open_files(worker) + 40
    _, hard = resource.prlimit(worker, resource.RLIMIT_NOFILE)
    resource.prlimit(worker, resource.RLIMIT_NOFILE, (limit, hard))
    with ExitStack() as crowd:
        for _ in range(45):
            crowd.enter_context(socket.create_connection(("127.0.0.1", server.port)))
        said = server.log_with("files that this process may have are open")
    assert f"of the {limit} files" in said
    assert "LimitNOFILE" in said
