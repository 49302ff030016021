"""What every test stands on. The fixtures are in `tests/services/`, one noun a module."""

collect_ignore = ["written/project"]
"""Tests of a project, which are run in one."""

# What a plugin imports from another stands before it, or pytest could not rewrite its asserts.
pytest_plugins = (
    "tests.services.collector",
    "tests.services.covered_lines",
    "tests.services.environment",
    "tests.services.postgres",
    "tests.services.valkey",
    "tests.services.databases",
    "tests.services.notes",
    "tests.services.people",
    "tests.services.server",
    "tests.services.node",
    "tests.services.browser",
    "tests.services.loop",
    "tests.services.log",
)
