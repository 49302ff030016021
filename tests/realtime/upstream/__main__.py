"""Run the test suites of the SDKs against a server with their profile, and count.

    python -m tests.realtime.upstream --js SOURCE --python SOURCE --cent SOURCE

A source is a folder with the repository of centrifuge-js, centrifuge-python or pycent, or anything
that `git clone` takes. It is copied into a temporary folder, with what it needs installed there,
and nothing of it is kept. Suites of what we do not have (maps, shared polls, Protobuf) are left
out; the Python suite tries each case in both encodings, and is told to try JSON alone.

The suites expect port 8000 of this machine.
"""

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

PORT = 8000
SUITES = ("centrifuge", "getstate", "recovery", "delta", "utils")
CASE_SECONDS = 20


def run_js(folder: Path) -> str:
    """The counts of centrifuge-js, a line for each file."""
    options = ("--ignore-scripts", "--legacy-peer-deps", "--no-audit", "--no-fund", "--silent")
    _call(folder, "npm", "install", *options)
    lines = []
    for suite in SUITES:
        # One file at a time: they share channels.
        said = _output(folder, "npx", "jest", "--forceExit", "-i", f"src/{suite}.test.ts")
        found = re.search(r"^Tests: .*$", said, re.MULTILINE)
        lines.append(f"{suite}: {found.group(0) if found else said[-300:]}")
    return "\n".join(lines)


def run_python(folder: Path) -> str:
    """The counts of centrifuge-python, in JSON."""
    path = folder / "tests" / "test_client.py"
    both = path.read_text("utf-8")
    path.write_text(both.replace("in (False, True):", "in (False,):"), "utf-8")
    return _pytest(folder, "centrifuge-python", "--import-mode=append")


def run_cent(folder: Path) -> str:
    """The counts of cent."""
    return _pytest(folder, "cent")


def _pytest(folder: Path, package: str, *options: str) -> str:
    python = folder / ".suite" / "bin" / "python"
    _call(folder, sys.executable, "-m", "venv", ".suite")
    tools = ("pytest", "pytest-asyncio", "pytest-timeout", "anyio", package)
    _call(folder, str(python), "-m", "pip", "install", "--quiet", *tools)
    _call(folder, str(python), "-m", "pip", "install", "--quiet", "--no-deps", ".")
    # One of them drives its tests by anyio. The other plugin would take them away from it.
    of_asyncio = ("-p", "no:anyio", "-o", "asyncio_mode=auto")
    plugins = ("-p", "no:asyncio") if package == "cent" else of_asyncio
    chosen = ("--timeout", str(CASE_SECONDS))
    # Functions that only make tokens are called like tests.
    names = ("-k", "not test_get_client_token and not test_get_subscription_token")
    said = _output(
        folder, str(python), "-m", "pytest", "-q", "tests", *plugins, *chosen, *names, *options
    )
    found = re.search(r"^\d+ (passed|failed|error).*$", said, re.MULTILINE)
    return found.group(0) if found else said[-300:]


def _call(folder: Path, *command: str) -> None:
    subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)


def _output(folder: Path, *command: str) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


@contextmanager
def serving() -> Iterator[None]:
    """The server, from when it answers until it is stopped."""
    command = [sys.executable, "-m", "tests.realtime.upstream.profile", str(PORT)]
    with subprocess.Popen(command) as server:
        try:
            _wait(server)
            yield
        finally:
            server.terminate()


def _wait(server: subprocess.Popen[bytes]) -> None:
    while server.poll() is None:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{PORT}/healthz", timeout=5)
        except urllib.error.URLError:
            continue
        return
    raise SystemExit(f"the server did not start: is port {PORT} free?")


@contextmanager
def copied(source: str) -> Iterator[Path]:
    """The repository `source`, in a folder that is removed."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "suite"
        if Path(source).is_dir():
            left_out = shutil.ignore_patterns(".git", "node_modules", ".venv")
            shutil.copytree(source, folder, ignore=left_out)
        else:
            _call(Path(name), "git", "clone", "--quiet", "--depth", "1", source, "suite")
        yield folder


def main() -> None:
    """Run what was asked for, and print the counts."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    suites: dict[str, Callable[[Path], str]] = {
        "js": run_js,
        "python": run_python,
        "cent": run_cent,
    }
    for name in suites:
        parser.add_argument(f"--{name}", metavar="SOURCE")
    chosen = vars(parser.parse_args())
    with serving():
        for name, run in suites.items():
            if chosen[name]:
                with copied(chosen[name]) as folder:
                    print(f"== {name}", run(folder), sep="\n", flush=True)  # noqa: T201  # the result


if __name__ == "__main__":
    main()
