"""Requests that nobody thought of: schemathesis, over a whole API, as one that may do everything.

It reads the OpenAPI document that the server gives, sends what fits it and what does not, follows
what was made from one request to the next, and judges every answer by the document.

In the suite it does so for a short time, with the same requests in every run. `make fuzz` gives it
more examples and new ones each time; what fails is printed with its seed, which repeats it.
"""

import os
import subprocess
import sys
from pathlib import Path

import httpx2

from tests.services.people import PASSWORD, People
from tests.services.server import Server

CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
    "response_headers_conformance",
    "negative_data_rejection",
    "missing_required_header",
    "unsupported_method",
    "use_after_free",
)
"""All but two: that a valid request is accepted, and that what was made is there. Rows have rules,
which no schema can say."""
CHECKS_OF = {"key": (*CHECKS, "ignored_auth"), "session": CHECKS}
"""A session is known whatever stands in Authorization, as long as it is no bearer token: a proxy
may be meant. The check would have it refused."""
EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "0"))
SEED = int(os.environ.get("FUZZ_SEED", "20130204"))
SECONDS = 200.0 if not EXAMPLES else 1200.0 + 30.0 * EXAMPLES
"""A bound for a machine that is busy. All phases take their time for few examples, too."""
ALL = "examples,coverage,fuzzing,stateful"
CONFIGURATION = """
[parameters]
# OpenAPI has no words for an answer with a body that a caller may do without.
"header.prefer" = "return=representation"

[checks.negative_data_rejection]
# 207 says of each item by itself that it is refused.
expected-statuses = ["207", "4xx", "5xx"]
"""


def judge_answers(
    server: Server,
    people: People,
    directory: Path,
    credential: str,
    *,
    few: int = 20,
    phases: str = ALL,
    paths: str = "",
) -> None:
    """Send generated requests with a ``key`` or a ``session`` of the user who may do everything.

    Every answer must be one that the document announces. Where the environment names no number of
    examples, they are `few` for each operation, in those `phases`; else all phases are run. `paths`
    is an expression for those that are asked.
    """
    header = (
        f"Authorization: Bearer {people.keys['chief']}"
        if credential == "key"
        else f"Cookie: {_log_in(server)}"
    )
    configuration = directory / "schemathesis.toml"
    configuration.write_text(CONFIGURATION)
    # A logout in the middle would make a stranger of everybody who comes after it.
    done = subprocess.run(
        [
            Path(sys.executable).parent / "schemathesis",
            *("--config-file", configuration, "run", f"{server.url}/api/openapi.json"),
            *("--no-color", "--output-sanitize", "false"),
            *("--header", header, "--exclude-path", "/auth/logout"),
            *("--checks", ",".join(CHECKS_OF[credential]), "--include-path-regex", paths),
            *("--phases", ALL if EXAMPLES else phases, "--max-examples", str(EXAMPLES or few)),
            *("--seed", str(SEED), "--generation-database", "none"),
        ],
        cwd=directory,
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Stateful" in done.stdout, done.stdout


def _log_in(server: Server) -> str:
    """The Cookie header of a session of the user who may do everything."""
    body = {"username": "chief", "password": PASSWORD}
    with httpx2.Client(base_url=server.url, trust_env=False, timeout=60) as client:
        assert client.post("/api/auth/login", json=body).status_code == 200
        return "; ".join(f"{name}={value}" for name, value in client.cookies.items())
