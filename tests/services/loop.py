"""Async tests: plain `async def` with `@pytest.mark.anyio`, and nothing may block their loop.

A blocking call on the event loop (a file, a socket, a lock, a sleep, SQLite) raises
`BlockingError` where it stands, in ours and in everybody else's code. The exceptions below are
the whole list, each with its reason.
"""

from collections.abc import Iterator

import pytest
from blockbuster import blockbuster_ctx

# (function, file, names of functions in it that may block, why)
EXCEPTIONS: list[tuple[str, str, set[str], str]] = [
    (
        "os.path.abspath",
        "sqlalchemy/dialects/sqlite/pysqlite.py",
        {"create_connect_args"},
        "the engine, made once a process, asks for the working directory; no file is touched",
    ),
    (
        "io.TextIOWrapper.write",
        "pytest_timeout.py",
        {"timeout_sigalrm"},
        "a test that took too long tells where it stands",
    ),
]


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Async tests run on asyncio: it is what the servers run and the drivers support."""
    return "asyncio"


@pytest.fixture(autouse=True)
def nothing_blocks_the_loop(request: pytest.FixtureRequest) -> Iterator[None]:
    """Make blocking calls on the event loop errors; other threads may block."""
    if "browser" in request.fixturenames:
        # Playwright's synchronous side keeps its own loop running in the test's thread, and the
        # whole test would count as standing on it.
        yield
        return
    with blockbuster_ctx() as detector:
        for function, file, names, _reason in EXCEPTIONS:
            detector.functions[function].can_block_in(file, names)
        yield
