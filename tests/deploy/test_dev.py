"""`trivet dev`: work on a feature without restarting by hand."""

import time

import pytest

from tests.services.server import StartServer


@pytest.mark.once
def test_a_changed_file_starts_the_application_again(start_server: StartServer) -> None:
    server = start_server("dev")
    assert "Application startup complete" in server.log_text()

    module = server.directory / "changed.py"
    module.write_text("ANSWER = 41\n")
    time.sleep(1)  # the reloader has to have seen it once to know that it changes
    module.write_text("ANSWER = 42\n")

    deadline = time.monotonic() + 60
    while server.log_text().count("Application startup complete") < 2:
        assert time.monotonic() < deadline, "nothing was reloaded"
        time.sleep(0.1)
    assert server.stop() == 0
