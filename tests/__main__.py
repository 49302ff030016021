"""`python -m tests`: every test on SQLite, those about data again on PostgreSQL, one coverage.

Arguments are handed to both runs of pytest; with any, coverage is not demanded, because a part
of the tests cannot have it:

    python -m tests -k outbox -x

pytest's own closing lines stand last, where people and machines look for them.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

COVERAGE_HOME = Path(sys.prefix) / "coverage"  # of its own for each interpreter
NO_TESTS_COLLECTED = 5
DATA_TESTS = ("-m", "data")


def main(arguments: list[str]) -> int:
    """Run everything, say everything, and return the exit code of the worst."""
    shutil.rmtree(COVERAGE_HOME, ignore_errors=True)
    COVERAGE_HOME.mkdir()
    codes, closings = [], []
    for database, selection in (("sqlite", ()), ("postgresql", DATA_TESTS)):
        code, closing = run_pytest(database, [*selection, *arguments])
        if code == NO_TESTS_COLLECTED and selection:
            code = 0  # `-k` chose none of the tests about data
        codes.append(code)
        closings.append(closing)
    if not arguments:
        codes.append(report_coverage())
    print(*closings, sep="\n")  # noqa: T201
    return max(codes)


def run_pytest(database: str, arguments: list[str]) -> tuple[int, str]:
    """Run pytest on one database, showing what it writes. Returns exit code and closing line."""
    command = [sys.executable, "-m", "coverage", "run", "-m", "pytest", *arguments]
    env = {
        **os.environ,
        "TRIVET_TEST_DATABASE": database,
        "COVERAGE_FILE": str(COVERAGE_HOME / "data"),
        # PYTHONDONTWRITEBYTECODE would have every server of the tests compile everything again.
        "PYTHONDONTWRITEBYTECODE": "",
    }
    with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        closing = f"no closing line from pytest on {database}"
        for line in process.stdout:
            sys.stdout.write(line)
            sys.stdout.flush()
            if re.search(r" in [\d.]+s", line) and line.startswith("="):
                closing = line.rstrip()
    return process.returncode, closing


def report_coverage() -> int:
    """Add up what all processes of both runs saw. Not 0 when it is too little."""
    coverage = [sys.executable, "-m", "coverage"]
    env = {**os.environ, "COVERAGE_FILE": str(COVERAGE_HOME / "data")}
    subprocess.run([*coverage, "combine", "--quiet"], env=env, check=True)
    return subprocess.run([*coverage, "report"], env=env, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
