"""The OpenAPI document, as the linters of the trade read it: no error and no warning."""

import json
import os
import subprocess
from pathlib import Path

import httpx2
import pytest

from tests.services.node import TESTS, node_command
from tests.services.server import Server

pytestmark = pytest.mark.once

PACKAGES = TESTS / "node_modules"
LINTERS = {
    # Whose API it is, and under which licence, an installation knows and we do not.
    "redocly": (
        PACKAGES / "@redocly/cli/bin/cli.js",
        "redocly.yaml",
        "extends: [recommended]\nrules: {info-license: off}\n",
        ("lint", "--config=redocly.yaml", "--format=json", "openapi.json"),
    ),
    "spectral": (
        PACKAGES / "@stoplight/spectral-cli/dist/index.js",
        "spectral.yaml",
        'extends: ["spectral:oas"]\nrules: {info-contact: off}\n',
        ("lint", "--ruleset=spectral.yaml", "--fail-severity=hint", "openapi.json"),
    ),
}
NOWHERE = {"http_proxy": "http://127.0.0.1:9", "https_proxy": "http://127.0.0.1:9"}
"""A linter that asks somebody else for anything fails at once."""


@pytest.mark.parametrize("linter", LINTERS)
def test_a_linter_finds_nothing(server: Server, tmp_path: Path, linter: str) -> None:
    program, name, rules, arguments = LINTERS[linter]
    document = httpx2.get(f"{server.url}/api/openapi.json", trust_env=False, timeout=60)
    (tmp_path / "openapi.json").write_bytes(document.content)
    (tmp_path / name).write_text(rules)
    done = subprocess.run(
        node_command(program, *arguments),
        cwd=tmp_path,
        env={**os.environ, **NOWHERE, "REDOCLY_TELEMETRY": "off", "CI": "true"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    if linter == "redocly":
        assert json.loads(done.stdout)["totals"] == {"errors": 0, "warnings": 0, "ignored": 0}
