"""`trivet dev`: work on a feature without restarting by hand."""

import itertools
import time

import pytest

from tests.services.server import StartServer


@pytest.mark.once
def test_a_changed_file_starts_the_application_again(start_server: StartServer) -> None:
    server = start_server("dev")
    assert "Application startup complete" in server.log_text()

    # The reloader has to have seen a file once to know that it changes, and nobody is told when.
    answers = itertools.count(41)
    deadline = time.monotonic() + 60
    while "changed.py" not in server.log_text():
        assert time.monotonic() < deadline, "the change is not seen"
        (server.directory / "changed.py").write_text(f"ANSWER = {next(answers)}\n")
        time.sleep(0.5)
    server.log_with("Application startup complete", times=2)
    assert server.stop() == 0
