"""What the command line says, where it says it, and what its exit codes mean."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.services.databases import SECRET_KEY, environment, run_trivet
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
    Scenario(
        "help whose paragraphs the terminal folds",
        ("migrate", "-h"),
        0,
        stdout=("Running it again changes nothing.",),
    ),
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
        stderr=("no terminal to ask for the password", "--password-stdin < password.txt"),
    ),
    Scenario("a revision about nothing", ("migrate", "--make", "trivet"), 2, stderr=("--message",)),
    Scenario(
        "keys before the first migrate",
        ("keys", "list"),
        1,
        stderr=("nowhere/missing.sqlite3 does not exist", "run `trivet migrate`"),
    ),
    Scenario(
        "users before the first migrate",
        ("users", "list"),
        1,
        stderr=("nowhere/missing.sqlite3 does not exist", "run `trivet migrate`"),
    ),
    Scenario(
        "a revision before the first migrate, of models that have all theirs",
        ("migrate", "--make", "departures", "-m", "first"),
        3,
        stderr=("a database of a moment, made of the revisions", "have not changed"),
    ),
    *(
        Scenario(
            f"{command[0]} on a server that is down",
            command,
            4,
            stderr=("postgresql://u:***@127.0.0.1:1/x does not answer", "refused", "Start it"),
            variables={"database_url": "postgresql://u:geheim@127.0.0.1:1/x"},
        )
        for command in (("migrate",), ("keys", "list"), ("users", "list"), ("audit", "list"))
    ),
    Scenario(
        "a host that is none of this machine's",
        ("serve", "--host", "192.0.2.1"),
        1,
        stderr=("192.0.2.1 is no address of this machine", "--host 127.0.0.1"),
    ),
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
    variables = {"database_url": NOWHERE, **scenario.variables}
    env = {**environment(**variables), "COLUMNS": "200"}

    done = run_trivet(*scenario.arguments, env=env, cwd=tmp_path)

    assert done.returncode == scenario.code, done
    for words in scenario.stdout:
        assert words in done.stdout
    for words in scenario.stderr:
        assert words in done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert SECRET_KEY not in done.stdout + done.stderr
    assert not list(tmp_path.iterdir()), "a command that failed or only looked left something"


DOWN = {"database_url": "postgresql://u:geheim@127.0.0.1:1/x"}


@pytest.mark.parametrize(
    ("command", "variables", "code", "error"),
    [
        (("migrate", "--check"), DOWN, 4, "database-unavailable"),
        (("migrate", "--plan"), DOWN, 4, "database-unavailable"),
        (("keys", "list"), DOWN, 4, "database-unavailable"),
        (("users", "list"), DOWN, 4, "database-unavailable"),
        (("audit", "verify"), DOWN, 4, "database-unavailable"),
        (("realtime", "info"), DOWN, 4, "database-unavailable"),
        (("sessions", "clear"), DOWN, 4, "database-unavailable"),
        (("audit", "verify", "--anchor", "x"), DOWN, 1, "anchor"),
        (("keys", "list"), {}, 1, "no-database"),
        (("migrate", "--make", "departures", "-m", "x"), {}, 3, "unchanged"),
        (("routes",), {"features": "no_such_feature"}, 3, "no-feature"),
        (("routes",), {"rooms": "kitchen"}, 3, "settings"),
    ],
)
def test_with_json_an_error_is_an_object_on_stdout(
    command: tuple[str, ...], variables: dict[str, str], code: int, error: str, tmp_path: Path
) -> None:
    env = environment(**{"database_url": NOWHERE, **variables})

    done = run_trivet(*command, "--json", env=env, cwd=tmp_path)

    assert done.returncode == code, done
    told = json.loads(done.stdout)
    assert [*told] == ["error"]
    assert told["error"]["code"] == error
    assert told["error"]["detail"] in " ".join(done.stderr.split())


@pytest.mark.parametrize("command", ["serve", "dev", "demo", "serve --bind"])
def test_a_port_that_is_taken_is_a_sentence_with_another_one(command: str, tmp_path: Path) -> None:
    env = environment(f"sqlite:///{tmp_path}/t.sqlite3")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        where = f"127.0.0.1:{port}" if command.endswith("--bind") else str(port)
        option = () if command.endswith("--bind") else ("--port",)

        done = run_trivet(*command.split(), *option, where, env=env, cwd=tmp_path)

    assert done.returncode == 1, done
    name = command.partition(" ")[0]
    assert f"Port {port} is taken by another program" in done.stderr
    assert f"`trivet {name} --port {port + 1}`" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


class TestTheSecretInTheEnvFile:
    """Made once, private, and never replaced."""

    def secret(
        self, tmp_path: Path, *options: str, **variables: str
    ) -> subprocess.CompletedProcess[str]:
        env = {**os.environ, **variables}
        return run_trivet("secret", *options, env=env, cwd=tmp_path)

    def test_it_is_written_for_its_owner_and_is_what_the_next_command_reads(
        self, tmp_path: Path
    ) -> None:
        done = self.secret(tmp_path)
        check = run_trivet("routes", env=os.environ, cwd=tmp_path)

        file = tmp_path / ".env"
        name, _, value = file.read_text().strip().partition("=")
        assert (done.returncode, name) == (0, "TRIVET_SECRET_KEY")
        assert len(value) >= 32
        assert file.stat().st_mode & 0o777 == 0o600
        assert value not in done.stdout + done.stderr
        assert check.returncode == 0

    def test_what_the_file_had_stays_and_a_secret_is_not_replaced(self, tmp_path: Path) -> None:
        file = tmp_path / ".env"
        file.write_text("TRIVET_FEATURES=departures")
        self.secret(tmp_path)
        first = file.read_text()

        again = self.secret(tmp_path, TRIVET_SECRET_KEY="of the shell")

        assert first.startswith("TRIVET_FEATURES=departures\nTRIVET_SECRET_KEY=")
        assert file.read_text() == first
        assert "already" in again.stderr
        assert "wins over .env" in again.stderr

    def test_a_folder_inside_of_a_project_is_told_where_that_is(self, tmp_path: Path) -> None:
        self.secret(tmp_path)
        inside = tmp_path / "books" / "migrations"
        inside.mkdir(parents=True)

        for command in (["secret"], ["migrate"], ["shell"], ["new", "feature", "pens", "ink:str"]):
            done = run_trivet(*command, env=os.environ, cwd=inside)
            assert done.returncode != 0
            assert str(tmp_path) in "".join(done.stderr.split("\n")), command
            assert "trivet secret" not in done.stderr
        assert not list(inside.iterdir())

        assert self.secret(inside, "--file", str(inside / ".env")).returncode == 0

    def test_a_folder_beside_a_project_is_told_where_that_is(self, tmp_path: Path) -> None:
        (tmp_path / "shop").mkdir()
        self.secret(tmp_path / "shop")

        for command in (["migrate"], ["new", "feature", "pens", "ink:str"]):
            done = run_trivet(*command, env=os.environ, cwd=tmp_path)
            assert done.returncode != 0
            assert "one in shop: go there" in done.stderr, command
        assert self.secret(tmp_path).returncode == 0

    def test_a_fresh_checkout_begins_with_the_settings_of_its_project(self, tmp_path: Path) -> None:
        example = "TRIVET_NAME=Shop\n"
        (tmp_path / ".env.example").write_text(example)

        refused = self.secret(tmp_path)
        for command in (["migrate"], ["new", "feature", "pens", "ink:str"]):
            done = run_trivet(*command, env=os.environ, cwd=tmp_path)
            assert "cp .env.example .env, then: trivet secret" in done.stderr
        assert refused.returncode == 1
        assert "cp .env.example .env" in refused.stderr
        assert not (tmp_path / ".env").exists()

        (tmp_path / ".env").write_text(example)
        assert self.secret(tmp_path).returncode == 0

    def test_a_file_of_other_programs_is_no_project(self, tmp_path: Path) -> None:
        (tmp_path / ".env").write_text("PORT=1\n")
        inside = tmp_path / "shop"
        inside.mkdir()

        assert "trivet secret" in run_trivet("migrate", env=os.environ, cwd=inside).stderr
        assert self.secret(inside).returncode == 0

    def test_it_is_only_printed_when_that_is_asked_for(self, tmp_path: Path) -> None:
        one, other = (self.secret(tmp_path, "--print").stdout.strip() for _ in range(2))

        assert len(one) >= 32
        assert one != other
        assert not list(tmp_path.iterdir())

    def test_check_advises_on_a_file_that_others_can_read(self, tmp_path: Path) -> None:
        self.secret(tmp_path)
        before = run_trivet("check", env=os.environ, cwd=tmp_path)
        (tmp_path / ".env").chmod(0o644)

        after = run_trivet("check", env=os.environ, cwd=tmp_path)

        assert "chmod 600 .env" not in before.stdout
        assert "chmod 600 .env" in after.stdout


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

    done = run_trivet("--debug", "routes", env=env, cwd=tmp_path)

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


def test_a_misspelled_feature_is_refused_with_the_one_that_lies_there(tmp_path: Path) -> None:
    (tmp_path / "gardens").mkdir()
    (tmp_path / "gardens" / "__init__.py").touch()
    env = {**os.environ, "TRIVET_SECRET_KEY": "k" * 50, "TRIVET_FEATURES": "gardns"}

    done = run_trivet("routes", env=env, cwd=tmp_path)

    assert done.returncode == 3
    assert "names 'gardns'" in done.stderr
    assert "Did you mean gardens?" in done.stderr


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


def test_a_command_loads_no_driver_and_no_framework_that_it_does_not_need(tmp_path: Path) -> None:
    unneeded = {"alembic", "fastapi", "redis", "uvicorn"}
    script = (
        "import atexit, gc, sys; from trivet_deploy.cli import main\n"
        f"atexit.register(lambda: print(sorted({unneeded!r} & set(sys.modules)), gc.isenabled(),"
        " gc.get_threshold()[0] > 700))\n"
        "main(['users', 'list'])\n"
    )
    environment = {**os.environ, "TRIVET_SECRET_KEY": "k" * 50}

    done = _run("-c", script, env=environment, cwd=tmp_path)

    assert "run `trivet migrate`" in done.stderr
    assert done.stdout.strip() == "[] True True"


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
