"""The OpenAPI documents of the examples: those of a server, without a word from the linters of the
trade. `make check` looks whether they are valid."""

import copy
import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.api_documents import describe, faults_of, write_tutorial
from tests.services.node import TESTS, node_command
from trivet.testing import Application

PACKAGES = TESTS / "node_modules"
LINTERS = {
    # Whose API it is, and under which licence, an installation knows and we do not.
    "redocly": (
        PACKAGES / "@redocly/cli/bin/cli.js",
        "extends: [recommended]\nrules: {info-license: off}\n",
        ("lint", "--config=redocly.yaml", "--format=json"),
    ),
    "spectral": (
        PACKAGES / "@stoplight/spectral-cli/dist/index.js",
        'extends: ["spectral:oas"]\nrules: {info-contact: off}\n',
        ("lint", "--ruleset=spectral.yaml", "--fail-severity=hint"),
    ),
}
EXAMPLES = ("departures", "notices,library")
NOWHERE = {"http_proxy": "http://127.0.0.1:9", "https_proxy": "http://127.0.0.1:9"}
"""A linter that asks somebody else for anything fails at once."""


def start(linter: str, directory: Path) -> subprocess.Popen[str]:
    program, rules, arguments = LINTERS[linter]
    (directory / f"{linter}.yaml").write_text(rules)
    return subprocess.Popen(
        node_command(program, *arguments, *(f"{features}.json" for features in EXAMPLES)),
        cwd=directory,
        env={**os.environ, **NOWHERE, "REDOCLY_TELEMETRY": "off", "CI": "true"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_linters_find_nothing(tmp_path: Path) -> None:
    write_tutorial(tmp_path)
    # Without the shop: its document is the largest by far, and has no kind of route of its own.
    for features in EXAMPLES:
        (tmp_path / f"{features}.json").write_text(json.dumps(describe(tmp_path, features)))
    redocly, spectral = (start(each, tmp_path) for each in LINTERS)
    with redocly, spectral:
        said = {each: each.communicate(timeout=200)[0] for each in (redocly, spectral)}
    assert spectral.returncode == 0, said[spectral]
    assert redocly.returncode == 0, said[redocly]
    # It ends well with warnings too.
    assert said[redocly].count('"problems": []') == len(EXAMPLES), said[redocly]


@pytest.mark.once
def test_the_command_prints_what_a_server_answers(trivet: Application, tmp_path: Path) -> None:
    with trivet.client() as client:
        assert client.get("/api/openapi.json").json() == describe(tmp_path, "departures")


SEAT: dict[str, Any] = {
    "tags": ["hall"],
    "operationId": "hall_read_seat",
    "summary": "Read a seat",
    "description": "Everybody may call this.",
    "parameters": [{"name": "key", "in": "path", "required": True, "schema": {"type": "string"}}],
    "responses": {
        "200": {
            "description": "The seat.",
            "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Seat"}}},
        }
    },
}
HALL: dict[str, Any] = {
    "openapi": "3.1.0",
    "info": {"title": "A hall", "version": "1"},
    "paths": {
        "/seats/{key}": {"get": SEAT},
        "/seats": {"get": {**SEAT, "operationId": "hall_list_seats", "parameters": []}},
    },
    "components": {
        "schemas": {
            "Seat": {"type": "object", "properties": {"title": {"type": "string"}}},
            "SeatUpdate": {"type": "object", "properties": {}},
            "SeatCreate": {"type": "object", "properties": {}},
        }
    },
}


def schemas(document: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = document["components"]["schemas"]
    return found


def read(document: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = document["paths"]["/seats/{key}"]["get"]
    return found


@pytest.mark.parametrize(
    ("spoil", "fault"),
    [
        (lambda d: d["info"].pop("title"), "a required property"),
        (lambda d: schemas(d).pop("Seat"), "/components/schemas/Seat: there is nothing"),
        (lambda d: schemas(d)["Seat"].update(type="row"), "'row' is not valid"),
        (lambda d: read(d)["parameters"].clear(), "Path parameter 'key'"),
        (lambda d: read(d).update(operationId="hall_list_seats"), "Operation ID 'hall_list_seats'"),
        (lambda d: read(d).update(operationId="hall_hall"), "'hall_hall' is not a name of"),
        (lambda d: read(d).update(operationId="read-seat"), "'read-seat' is not a name of"),
        (lambda d: read(d).pop("operationId"), "GET /seats/{key}: '' is not a name of"),
        (lambda d: read(d).pop("description"), "GET /seats/{key}: no description"),
        (lambda d: read(d).update(tags=[]), "GET /seats/{key}: no tags"),
        (lambda d: schemas(d).update(hall__models__Row={}), "hall__models__Row: not a name of a"),
        (lambda d: schemas(d).update(Row={**schemas(d)["Seat"], "title": "Row"}), "Row: other"),
    ],
)
def test_a_fault_of_a_document_is_found(spoil: Any, fault: str) -> None:
    document = copy.deepcopy(HALL)
    assert list(faults_of(document)) == []
    spoil(document)
    faults = list(faults_of(document))
    assert any(fault in each for each in faults), faults
