"""Publications that go on while something happens."""

import json
import subprocess
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import httpx2

from tests.services.server import Server


@contextmanager
def publishing(server: Server) -> Iterator[list[int]]:
    """One crate after the other is put down until the block ends; gives the statuses."""
    statuses: list[int] = []
    is_over = threading.Event()

    def publish() -> None:
        with httpx2.Client(base_url=server.url, timeout=60, trust_env=False) as client:
            while not is_over.wait(0.01):
                answer = client.post(f"/api/crates/roll/{len(statuses)}")
                statuses.append(answer.status_code)

    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(publish)
        try:
            yield statuses
        finally:
            is_over.set()
        running.result()


def ask(process: "subprocess.Popen[str]", top: int) -> Any:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(f"{top}\n")
    process.stdin.flush()
    return json.loads(process.stdout.readline())
