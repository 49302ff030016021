"""No test sees the settings of the machine that it runs on.

`TRIVET_TEST_DATABASE` (`sqlite`, the default, or `postgresql`) says on which database the tests
marked `data` run. It is one a process because Django can be configured only once in a process;
`make test` therefore runs pytest for each.
"""

import os
from typing import Any

import pytest

DATABASE_VARIABLE = "TRIVET_TEST_DATABASE"
DATABASE_KIND = pytest.StashKey[str]()


def pytest_configure(config: pytest.Config) -> None:
    """Read the one variable that is meant for the tests, then drop all that begin as it does."""
    # A process of pytest-xdist starts after the drop; it has what `pytest_configure_node` gave it.
    handed = getattr(config, "workerinput", None)
    given = handed[DATABASE_VARIABLE] if handed else os.environ.get(DATABASE_VARIABLE)
    kind = given or "sqlite"
    if kind not in {"sqlite", "postgresql"}:
        raise pytest.UsageError(f"{DATABASE_VARIABLE} is sqlite or postgresql, not {kind!r}.")
    config.stash[DATABASE_KIND] = kind
    for name in [name for name in os.environ if name.startswith("TRIVET_")]:
        del os.environ[name]


@pytest.hookimpl(optionalhook=True)  # of pytest-xdist
def pytest_configure_node(node: Any) -> None:
    """Tell the processes that share the tests on which database this run is."""
    node.workerinput[DATABASE_VARIABLE] = node.config.stash[DATABASE_KIND]


def pytest_report_header(config: pytest.Config) -> str:
    return f"database: {config.stash[DATABASE_KIND]}"


@pytest.fixture(scope="session")
def database_kind(request: pytest.FixtureRequest) -> str:
    """`sqlite` or `postgresql`: the database of this run."""
    return request.config.stash[DATABASE_KIND]
