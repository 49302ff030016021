"""`trivet centrifugo`: the configuration, the way to Centrifugo, and the way back."""

import json

import pytest

from tests.deploy.installation import Installation, execute
from tests.realtime.centrifugo_tables import create_tables, read_history
from tests.services.databases import run_trivet

pytestmark = pytest.mark.database("postgresql")

SETTINGS = {
    "TRIVET_CENTRIFUGO_SECRET": "a-secret-that-centrifugo-and-the-tests-know",
    "TRIVET_CENTRIFUGO_API_URL": "http://127.0.0.1:9/api",
    "TRIVET_CENTRIFUGO_API_KEY": "a-key-of-centrifugo-that-opens-nothing-here",
}
PUBLISH = """
    INSERT INTO trivet_channel (name, epoch, top_offset) VALUES ('departures:JFK', 'e1', {0})
    ON CONFLICT (name) DO UPDATE SET top_offset = {0};
    INSERT INTO trivet_publication (channel, "offset", data, created_at)
    VALUES ('departures:JFK', {0}, '{0}', now())"""


def history(installed: Installation) -> tuple[int, str, list[int]]:
    top, epoch, rows = read_history(installed.url, "departures:JFK")
    return top, epoch, [row[0] for row in rows]


def test_the_configuration_is_printed_and_what_is_missing_said(installed: Installation) -> None:
    without = installed.run("centrifugo", "config", code=3)
    assert "TRIVET_CENTRIFUGO_SECRET" in without.stderr
    installed.env |= SETTINGS
    done = installed.run("centrifugo", "config", "http://trivet:8000")
    options = json.loads(done.stdout)
    assert options["client"]["proxy"]["connect"]["endpoint"].startswith("http://trivet:8000/ws/")
    assert [each["name"] for each in options["channel"]["namespaces"]] == ["departures"]
    assert options["broker"]["postgres"]["dsn"] == installed.url
    assert "Redis" in done.stderr


def test_there_and_back_again(installed: Installation) -> None:
    installed.env |= SETTINGS
    execute(installed.url, PUBLISH.format(1))
    refused = installed.run("centrifugo", "graduate", code=1)
    assert "start it once" in refused.stderr
    create_tables(installed.url)
    assert installed.json("centrifugo", "graduate") == {"channels": 1, "publications": 1}
    execute(installed.url, PUBLISH.format(2))
    assert history(installed) == (2, "e1", [1, 2])
    assert installed.json("centrifugo", "return") == {"left": 0}
    execute(installed.url, PUBLISH.format(3))
    assert history(installed) == (2, "e1", [1, 2])
    again = installed.run("centrifugo", "graduate", "--minutes", "0")
    assert "1 position and 0 publications" in again.stderr
    assert history(installed) == (3, "e1", [1, 2])
    # Nothing of it is a difference between models and database.
    found = findings(installed, code=1)
    assert found["migrations"] == [("ok", "models, migrations and database agree")]
    # And all that is wrong is that the API of these settings is nowhere.
    ((state, sentence),) = found["centrifugo"]
    assert (state, "127.0.0.1:9" in sentence) == ("failed", True)


def findings(installed: Installation, code: int) -> dict[str, list[tuple[str, str]]]:
    """What `trivet check` finds, by name: states and sentences."""
    found: dict[str, list[tuple[str, str]]] = {}
    for each in installed.json("check", code=code):
        found.setdefault(each["name"], []).append((each["state"], each["sentence"]))
    return found


def test_a_source_that_is_not_filled_or_not_read_is_found(installed: Installation) -> None:
    installed.env |= {**SETTINGS, "TRIVET_CENTRIFUGO_SOURCE": "outbox"}
    _, (_, forgotten) = findings(installed, code=1)["centrifugo"]
    assert "trivet centrifugo graduate" in forgotten
    installed.run("centrifugo", "graduate")
    installed.env["TRIVET_CENTRIFUGO_SOURCE"] = "stream"
    _, *both = findings(installed, code=1)["centrifugo"]
    assert [state for state, _ in both] == ["warning", "warning"]
    assert "trivet centrifugo return" in both[1][1]


def test_the_consumers_table_too(installed: Installation) -> None:
    installed.env |= {**SETTINGS, "TRIVET_CENTRIFUGO_SOURCE": "outbox"}
    assert installed.json("centrifugo", "graduate") == {"channels": 0, "publications": 0}
    execute(installed.url, PUBLISH.format(1))
    assert "1 publication had not been taken" in installed.run("centrifugo", "return").stderr


def test_on_sqlite_there_is_nothing_to_do() -> None:
    env = {"TRIVET_SECRET_KEY": "x" * 40, "TRIVET_DATABASE_URL": "sqlite:////nowhere/house.db"}
    done = run_trivet("centrifugo", "config", env={**SETTINGS, **env, "PATH": ""})
    assert done.returncode == 3
    assert "PostgreSQL" in done.stderr
