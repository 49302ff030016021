"""`Prefer: return=minimal`, and changes that name the version which they change."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from fastapi import APIRouter, FastAPI

from tests.platform.bare import bare_platform, client_of
from trivet.asgi.mount import MountedApp
from trivet.asgi.root import build_root
from trivet_api import (
    PrefersMinimal,
    RequiredConditions,
    idempotency_refused,
    idempotency_required,
    minimal_response,
    public,
)
from trivet_api.answers import HttpAnswers
from trivet_api.direct import answer_directly
from trivet_api.include import include
from trivet_api.openapi import describe
from trivet_api.policy import PolicyRoute
from trivet_api.problems import install_problems

pytestmark = pytest.mark.anyio

router = APIRouter()


@router.post("/loans", status_code=201, response_model=dict[str, int], dependencies=[public])
async def make(minimal: PrefersMinimal) -> Any:
    return minimal_response(location="/api/loans/7", version=3) if minimal else {"id": 7}


@router.patch("/loans", response_model=dict[str, int], dependencies=[public, idempotency_refused])
async def change(minimal: PrefersMinimal, conditions: RequiredConditions) -> Any:
    conditions.require(3)
    return minimal_response(version=4) if minimal else {"id": 7}


@router.delete("/loans", status_code=204, dependencies=[public, idempotency_required])
async def delete() -> None: ...


@router.get("/loans", dependencies=[public])
async def read() -> int:
    return 7


def make_app() -> FastAPI:
    app = FastAPI()
    app.router.route_class = PolicyRoute
    install_problems(app)
    include(app, router)
    return app


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[httpx2.AsyncClient]:
    app = make_app()
    mounted = MountedApp("api", "/api", HttpAnswers(app, answer_directly(app)), lifespan=False)
    async with client_of(build_root(bare_platform(tmp_path), [mounted])) as client:
        yield client


PREFERENCES: list[tuple[list[str], bool]] = [
    (["return=minimal"], True),
    (['return="minimal"'], True),
    (["Return = Minimal"], True),
    (["respond-async, wait=10, return=minimal"], True),
    (["wait=10", "return=minimal"], True),
    (['foo="a, return=representation", return=minimal'], True),
    (["foo; bar=1; baz, return=minimal; x=y"], True),
    (["return=minimal, return=representation"], True),
    (["return=representation, return=minimal"], False),
    (["return=representation"], False),
    (["return"], False),
    (["return="], False),
    ([""], False),
    (["x-return=minimal"], False),
    (['foo="return=minimal"'], False),
    (["handling=strict"], False),
    (["return=minimal extra"], False),
    (["ü=1, return=minimal"], False),
    ([], False),
]


@pytest.mark.parametrize(("lines", "minimal"), PREFERENCES, ids=repr)
async def test_who_prefers_no_body_gets_none(
    client: httpx2.AsyncClient, lines: list[str], minimal: bool
) -> None:
    headers = [(b"prefer", line.encode()) for line in lines]
    made = await client.post("/api/loans", headers=headers)
    changed = await client.patch("/api/loans", headers=[*headers, (b"if-match", b'"3"')])
    if not minimal:
        assert (made.status_code, made.json()) == (201, {"id": 7})
        assert (changed.status_code, changed.json()) == (200, {"id": 7})
        assert "preference-applied" not in made.headers
        return
    for answer, status, etag in ((made, 201, '"3"'), (changed, 204, '"4"')):
        assert (answer.status_code, answer.content) == (status, b"")
        assert (answer.headers["preference-applied"], answer.headers["etag"]) == (
            "return=minimal",
            etag,
        )
    assert made.headers["location"] == "/api/loans/7"
    assert "content-length" not in changed.headers  # RFC 9110, 8.6: a 204 has none


@pytest.mark.parametrize(
    ("header", "value", "status"),
    [
        (None, None, 428),
        ("if-none-match", '"2"', 428),
        ("if-none-match", "*", 412),
        ("if-match", '"2"', 412),
        ("if-match", "rubbish", 412),
        ("if-match", '"3"', 200),
        ("if-match", "*", 200),
    ],
)
async def test_a_change_may_have_to_name_its_version(
    client: httpx2.AsyncClient, header: str | None, value: str | None, status: int
) -> None:
    headers = {} if header is None or value is None else {header: value}
    answer = await client.patch("/api/loans", headers=headers)
    assert answer.status_code == status, answer.text
    if status == 428:
        assert answer.json()["code"] == "condition-required"
        assert answer.json()["errors"][0]["pointer"] == "/if-match"


def test_the_document_says_who_takes_keys_and_who_requires_a_version() -> None:
    document = describe(make_app(), root="/api", cookie_name="sessionid")
    operations = document["paths"]["/loans"]
    named = {
        method: [each.get("$ref", "").rpartition("/")[2] for each in one.get("parameters", ())]
        for method, one in operations.items()
    }
    assert "IdempotencyKey" in named["post"]
    assert "RequiredIdempotencyKey" in named["delete"]
    assert not any("IdempotencyKey" in name for name in (*named["get"], *named["patch"]))
    assert [method for method, one in operations.items() if "428" in one["responses"]] == ["patch"]
    assert "Idempotent-Replayed" in operations["post"]["responses"]["201"]["headers"]
    assert "Idempotent-Replayed" in operations["delete"]["responses"]["204"]["headers"]
    assert {"400", "401", "409", "422"} <= set(operations["delete"]["responses"])
    assert set(document["components"]["parameters"]) == {
        "IdempotencyKey",
        "RequiredIdempotencyKey",
    }
