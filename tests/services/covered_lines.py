"""The lines that a worker of pytest-xdist has run are written before it says that it has finished.

From then on it has ten seconds to end, and is killed if it takes longer. Coverage writes as the
last of all, after every thread and process of the worker has ended: on a busy machine that is too
late, and all the lines of a worker are lost.
"""

import sys

import pytest


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish() -> None:
    coverage = sys.modules.get("coverage")
    current = coverage.Coverage.current() if coverage else None
    if current is not None:
        # Nothing is measured after it, so a kill finds nobody writing into that file.
        current.stop()
        current.save()
