"""What the command line says, where it says it, and what its exit codes mean."""

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.services.databases import SECRET_KEY, environment
from trivet_deploy.cli.check import find_unwise
from trivet_settings import load_settings

NOWHERE = "sqlite:///nowhere/missing.sqlite3"
HEAVY = {"django", "fastapi", "gunicorn", "pydantic_settings", "sqlalchemy", "starlette", "uvicorn"}


@dataclass(frozen=True)
class Scenario:
    """A command line that needs no database."""

    name: str
    arguments: tuple[str, ...]
    code: int
    stdout: tuple[str, ...] = ()
    stderr: tuple[str, ...] = ()
    variables: dict[str, str] = field(default_factory=dict)


SCENARIOS = (
    Scenario("version", ("--version",), 0, stdout=("0.",)),
    Scenario("help", ("--help",), 0, stdout=("migrate", "Exit codes")),
    Scenario("help of a group", ("keys", "-h"), 0, stdout=("revoke", "list", "create")),
    Scenario("no command", (), 2, stdout=("Usage",)),
    Scenario("an unknown command", ("fly",), 2, stderr=("No such command", "fly")),
    Scenario("an unknown option", ("serve", "--fast"), 2, stderr=("No such option", "--fast")),
    Scenario("too few workers", ("serve", "--workers", "0"), 2, stderr=("--workers",)),
    Scenario(
        "two faults in the settings",
        ("routes",),
        3,
        stderr=("2 faults", "TRIVET_ROOMS", "TRIVET_LOG_FORMAT", "Write it like"),
        variables={"rooms": "kitchen", "log_format": "xml"},
    ),
    Scenario(
        "a feature that is not there",
        ("routes",),
        3,
        stderr=("no_such_feature", "TRIVET_FEATURES"),
        variables={"features": "no_such_feature"},
    ),
    Scenario(
        "an extra mount that is not there",
        ("routes",),
        3,
        stderr=("/old of TRIVET_EXTRA_MOUNTS", "no_such_module"),
        variables={"extra_mounts": '{"/old": "asgi:no_such_module:app"}'},
    ),
    Scenario(
        "a password without a terminal",
        ("users", "create", "ada", "--email", "a@example.org"),
        2,
        stderr=("--password-stdin",),
    ),
    Scenario("a revision about nothing", ("migrate", "--make", "trivet"), 2, stderr=("--message",)),
    Scenario("settings", ("check", "--settings"), 0, stdout=("TRIVET_POLL_SECONDS",)),
    Scenario(
        "a database that is not there",
        ("check",),
        1,
        stdout=("database", "does not exist", "trivet migrate"),
    ),
)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_a_command_answers_with_a_sentence_and_a_code(scenario: Scenario, tmp_path: Path) -> None:
    env = {**environment(NOWHERE, **scenario.variables), "COLUMNS": "200"}

    done = _run("-m", "trivet_deploy.cli", *scenario.arguments, env=env, cwd=tmp_path)

    assert done.returncode == scenario.code, done
    for words in scenario.stdout:
        assert words in done.stdout
    for words in scenario.stderr:
        assert words in done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert SECRET_KEY not in done.stdout + done.stderr
    assert not list(tmp_path.iterdir()), "a command that failed or only looked left something"


@pytest.mark.parametrize(
    ("settings", "advised"),
    [
        ({"public_url": "http://a.example.org", "debug": True}, ["DEBUG", "PUBLIC_URL"]),
        ({"public_url": "https://a.example.org"}, ["TRUSTED_PROXIES"]),
        ({"public_url": "https://a.example.org", "trusted_proxies": "*"}, ["TRUSTED_PROXIES"]),
        ({"public_url": "https://a.example.org", "trusted_proxies": "10.0.0.1"}, []),
        ({"public_url": "http://localhost:8000", "debug": True}, []),
    ],
)
def test_check_advises_on_what_is_unwise_where_others_reach_it(
    settings: dict[str, str], advised: list[str]
) -> None:
    findings = list(find_unwise(load_settings(secret_key=SECRET_KEY, **settings)))

    assert [finding.name for finding in findings] == [f"TRIVET_{name}" for name in advised]
    assert {finding.state for finding in findings} <= {"warning"}


def test_a_traceback_is_shown_when_it_is_asked_for(tmp_path: Path) -> None:
    env = environment(NOWHERE, rooms="kitchen")

    done = _run("-m", "trivet_deploy.cli", "--debug", "routes", env=env, cwd=tmp_path)

    assert done.returncode != 0
    assert "Traceback" in done.stderr
    assert "SettingsError" in done.stderr


def test_importing_the_entry_reads_and_opens_nothing(tmp_path: Path) -> None:
    script = (
        "import sys, trivet_deploy.asgi as entry; from trivet_settings import SettingsError\n"
        "from django.conf import settings; assert not settings.configured\n"
        "try: entry.app\n"
        "except SettingsError as error: sys.exit(str(error))\n"
    )

    done = _run("-c", script, env=os.environ, cwd=tmp_path)

    assert done.returncode == 1
    assert "TRIVET_SECRET_KEY" in done.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("arguments", ["--version", "--help", "keys --help", "audit --help"])
def test_who_only_asks_waits_for_no_framework(arguments: str, tmp_path: Path) -> None:
    """Not even for the settings: nothing is read from them."""
    script = (
        "import atexit, sys; from trivet_deploy.cli import main\n"
        f"atexit.register(lambda: print(sorted({HEAVY!r} & set(sys.modules)), file=sys.stderr))\n"
        f"main({arguments.split()!r})\n"
    )

    done = _run("-c", script, env=os.environ, cwd=tmp_path)

    assert done.returncode == 0
    assert done.stderr.strip() == "[]"


def _run(*arguments: str, env: Mapping[str, str], cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        env=env,
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )
