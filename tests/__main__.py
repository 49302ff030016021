"""`python -m tests`: every test on SQLite, those about data again on PostgreSQL.

Each run has a few processes (pytest-xdist), which take tests from each other until none is left.
Arguments are handed to all runs of pytest:

    python -m tests -k outbox -x
    python -m tests -n 0 tests/admin/test_login.py    in the process of pytest itself

`python -m tests --coverage` runs each test once and demands that enough of the lines were run,
which takes half as long again. With further arguments nothing is demanded, because a part of the
tests cannot have it.

pytest's own closing lines stand last, where people and machines look for them.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
COVERAGE_HOME = Path(sys.prefix) / "coverage"  # of its own for each interpreter
COVERAGE = "--coverage"
NO_TESTS_COLLECTED = 5
RUNS = (
    ("postgresql", ("-m", "data")),
    ("sqlite", ()),
)
"""Database and options; one run after the other."""
COVERED_RUNS = (
    ("postgresql", ("-m", "data")),
    ("sqlite", ("-m", "not data")),
)
"""The same tests on another database run hardly another line."""
MOST_PROCESSES = 8
"""Each has services of its own, which cost it what a hundred tests do."""


def main(arguments: list[str]) -> int:
    """Run everything, say everything, and return the exit code of the worst."""
    covered = arguments[:1] == [COVERAGE]
    if covered:
        arguments = arguments[1:]
        shutil.rmtree(COVERAGE_HOME, ignore_errors=True)
        COVERAGE_HOME.mkdir()
    # One after the other, so that no core is idle at the end because one run has ended before.
    ended = [
        run_pytest(database, [*options, *arguments], covered=covered)
        for database, options in (COVERED_RUNS if covered else RUNS)
    ]
    codes = [code for code, _ in ended]
    if arguments:
        # What was asked for may have nothing to do with data, or be nothing else.
        codes = [code for code in codes if code != NO_TESTS_COLLECTED] or codes
    elif covered:
        codes.append(report_coverage())
    print(*(closing_line(written) for _, written in ended), sep="\n")  # noqa: T201
    return max(codes)


def run_pytest(database: str, arguments: list[str], *, covered: bool) -> tuple[int, str]:
    """Run pytest on one database. Returns its exit code and all that it wrote."""
    python = [sys.executable, "-m", *(("coverage", "run", "-m") if covered else ())]
    # A test that waits for a process of its own leaves its core to another one.
    processes = min((os.cpu_count() or 1) + 1, MOST_PROCESSES)
    spread = ("--numprocesses", str(processes), "--dist", "worksteal")
    command = [*python, "pytest", *spread, *arguments]
    env = {
        **os.environ,
        "TRIVET_TEST_DATABASE": database,
        "COVERAGE_FILE": str(COVERAGE_HOME / "data"),
        "PYTHONPATH": str(ROOT),  # coverage's plugin is found by the servers too
        # PYTHONDONTWRITEBYTECODE would have every server of the tests compile everything again.
        "PYTHONDONTWRITEBYTECODE": "",
    }
    written: list[str] = []
    with subprocess.Popen(
        command, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        # By characters, for the dots appear one by one.
        while character := process.stdout.read(1):
            written.append(character)
            sys.stdout.write(character)
            sys.stdout.flush()
    code = process.returncode
    if code < 0:
        written.append(f"\npytest on {database} was ended by {signal.Signals(-code).name}\n")
        code = 128 - code  # as a shell has it; the worst of all codes is the largest
    return code, "".join(written)


def closing_line(written: str) -> str:
    """The line in which pytest counts what passed and what failed."""
    found = re.findall(
        r"^(?:=+ .* in [\d.]+s.*=+|pytest on .* was ended by .*)$", written, re.MULTILINE
    )
    return str(found[-1]) if found else "pytest has not said how it ended"


def report_coverage() -> int:
    """Add up what all processes of all runs saw. Not 0 when it is too little."""
    coverage = [sys.executable, "-m", "coverage"]
    env = {**os.environ, "COVERAGE_FILE": str(COVERAGE_HOME / "data")}
    subprocess.run([*coverage, "combine", "--quiet"], env=env, check=True)
    return subprocess.run([*coverage, "report"], env=env, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
