"""`trivet dev`: work on a feature without restarting by hand."""

import itertools
import time

import pytest

from tests.services.server import StartServer


@pytest.mark.once
def test_a_database_is_migrated_and_a_changed_file_starts_the_application_again(
    start_server: StartServer, empty_database_url: str
) -> None:
    server = start_server("dev", "--migrate", database_url=empty_database_url)
    said = server.log_with("Application startup complete")
    assert "departures 0001_" in said  # what waited, by name
    assert "Nobody can log in yet: trivet users create" in said

    # The reloader has to have seen a file once to know that it changes, and nobody is told when.
    answers = itertools.count(41)
    deadline = time.monotonic() + 60
    while "changed.py" not in server.log_text():
        assert time.monotonic() < deadline, "the change is not seen"
        (server.directory / "changed.py").write_text(f"ANSWER = {next(answers)}\n")
        time.sleep(0.5)
    server.log_with("Application startup complete", times=2)
    assert server.stop() == 0
