"""The collector of garbage looks seldom in a process of tests.

What the tests import, and pytest makes of it, is half a million objects that stay. Python's
collector walks through all of them again and again, which was an eighth of what a test costs, and
seconds of a process's start and end.
"""

import gc

import pytest

from trivet_deploy.collector import collect_seldom

TESTING = 20_000
"""New objects between two looks while tests run. More would leave to chance in which test a
warning about something forgotten appears."""


def pytest_configure() -> None:
    collect_seldom()


@pytest.hookimpl(trylast=True)
def pytest_collection_finish() -> None:
    """Leave alone what is there by now."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(TESTING, *gc.get_threshold()[1:])
