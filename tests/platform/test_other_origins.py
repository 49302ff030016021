"""Pages of other origins: what they may send here, and what their browsers may read."""

import itertools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, Router

from tests.platform.bare import bare_platform, client_of
from trivet.asgi.mount import MountedApp
from trivet.asgi.root import Root, build_root

pytestmark = pytest.mark.anyio

ALLOWED, TRUSTED, OTHER = "https://app.example.org", "http://localhost:5173", "https://evil.example"
ANSWERS = {"access-control-allow-origin", "access-control-allow-credentials"}


async def show_cookies(request: Request) -> Response:
    return JSONResponse(dict(request.cookies))


async def fail(_request: Request) -> Response:
    raise LookupError


async def read_body(request: Request) -> Response:
    return JSONResponse(len(await request.body()))


ROUTES = [
    Route("/cookies", show_cookies, methods=["GET", "POST"]),
    Route("/fail", fail),
    Route("/body", read_body, methods=["POST"]),
]


def root_of(folder: Path, **settings: Any) -> Root:
    given = {"allowed_origins": (ALLOWED,), "trusted_origins": (TRUSTED,)} | settings
    own = CORSMiddleware(Router(ROUTES), allow_origins=[OTHER], allow_methods=["POST"])
    mounts = [
        MountedApp("app", "/app", Router(ROUTES), lifespan=False),
        MountedApp("foreign", "/foreign", own, lifespan=False),
    ]
    given.setdefault("extra_mounts", {"/foreign": "asgi:somewhere:app"})
    return build_root(bare_platform(folder, **given), mounts)


def cors(headers: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name in ANSWERS}


OF_ALLOWED = {"access-control-allow-origin": ALLOWED}
OF_TRUSTED = {
    "access-control-allow-origin": TRUSTED,
    "access-control-allow-credentials": "true",
}
READABLE = [(ALLOWED, OF_ALLOWED), (TRUSTED, OF_TRUSTED), (OTHER, {})]


@pytest.mark.usefixtures("json_log")
@pytest.mark.parametrize(("origin", "expected"), READABLE)
@pytest.mark.parametrize(
    ("path", "status"),
    [("/app/cookies", 200), ("/app/nothing", 404), ("/app/fail", 500), ("/nowhere", 404)],
)
async def test_answers_refusals_and_faults_can_be_read_by_whom_the_settings_name(
    tmp_path: Path, origin: str, expected: dict[str, str], path: str, status: int
) -> None:
    async with client_of(root_of(tmp_path)) as client:
        answer = await client.get(path, headers={"origin": origin})
    assert answer.status_code == status
    assert cors(answer.headers) == expected
    assert "Origin" in answer.headers["vary"]


async def test_a_body_that_is_too_large_is_told_to_the_other_origin_too(tmp_path: Path) -> None:
    async with client_of(root_of(tmp_path, body_limit_bytes=1024)) as client:
        answer = await client.post("/app/body", content=b"x" * 2000, headers={"origin": ALLOWED})
    assert answer.status_code == 413
    assert cors(answer.headers) == OF_ALLOWED


async def test_an_unknown_host_is_told_too(tmp_path: Path) -> None:
    async with client_of(root_of(tmp_path)) as client:
        headers = {"origin": ALLOWED, "host": "elsewhere.example"}
        answer = await client.get("/app/cookies", headers=headers)
    assert answer.status_code == 400
    assert cors(answer.headers) == OF_ALLOWED


@pytest.mark.parametrize("path", ["/app/cookies", "/app/nothing", "/foreign/cookies", "/nowhere"])
async def test_a_preflight_is_answered_for_whom_the_settings_name(
    tmp_path: Path, path: str
) -> None:
    asked = {
        "access-control-request-method": "PATCH",
        "access-control-request-headers": "authorization,content-type",
    }
    async with client_of(root_of(tmp_path)) as client:
        for origin, expected in ((ALLOWED, OF_ALLOWED), (TRUSTED, OF_TRUSTED)):
            answer = await client.options(path, headers={"origin": origin, **asked})
            assert answer.status_code == 204
            assert cors(answer.headers) == expected
            assert "PATCH" in answer.headers["access-control-allow-methods"]
            allowed = answer.headers["access-control-allow-headers"]
            assert allowed == asked["access-control-request-headers"]
        stranger = await client.options("/app/cookies", headers={"origin": OTHER, **asked})
    assert cors(stranger.headers) == {}


ORIGINS = {ALLOWED: {}, TRUSTED: {"theme": "dark"}, OTHER: None}
"""The cookies that an endpoint sees of a POST with one; None where it is refused."""


@pytest.mark.parametrize(("origin", "seen"), ORIGINS.items())
async def test_the_visitors_cookies_come_along_from_trusted_origins_alone(
    tmp_path: Path, origin: str, seen: dict[str, str] | None
) -> None:
    headers = {"origin": origin, "sec-fetch-site": "cross-site", "cookie": "theme=dark"}
    async with client_of(root_of(tmp_path)) as client:
        answer = await client.post("/app/cookies", headers=headers)
    if seen is None:
        assert (answer.status_code, answer.json()["code"]) == (403, "cross-site")
    else:
        assert (answer.status_code, answer.json()) == (200, seen)


async def test_an_application_with_rules_of_its_own_is_not_contradicted(tmp_path: Path) -> None:
    headers = {"origin": OTHER, "sec-fetch-site": "cross-site"}
    async with client_of(root_of(tmp_path)) as client:
        preflight = await client.options(
            "/foreign/cookies", headers={**headers, "access-control-request-method": "POST"}
        )
        answer = await client.post("/foreign/cookies", headers=headers)
        with_cookie = await client.post("/foreign/cookies", headers={**headers, "cookie": "a=b"})
        named = await client.get("/foreign/cookies", headers={"origin": ALLOWED})
    assert preflight.status_code == 200
    assert answer.status_code == 200
    assert answer.headers.get_list("access-control-allow-origin") == [OTHER]
    assert with_cookie.status_code == 403
    assert named.headers.get_list("access-control-allow-origin") == [ALLOWED]


@pytest.mark.parametrize("origin", ["https://any.example", "null"])
async def test_a_star_stands_for_every_origin_without_cookies(tmp_path: Path, origin: str) -> None:
    headers = {"origin": origin, "cookie": "theme=dark"}
    async with client_of(root_of(tmp_path, allowed_origins=("*",))) as client:
        answer = await client.post("/app/cookies", headers=headers)
    assert answer.json() == {}
    assert cors(answer.headers) == {"access-control-allow-origin": origin}


async def test_pages_without_an_origin_are_strangers_until_they_are_named(tmp_path: Path) -> None:
    found = {}
    for names in ((), ("null",)):
        async with client_of(root_of(tmp_path, allowed_origins=names)) as client:
            answer = await client.get("/app/cookies", headers={"origin": "null"})
        found[names] = cors(answer.headers)
    assert found == {(): {}, ("null",): {"access-control-allow-origin": "null"}}


async def test_nothing_is_said_where_no_origin_is_named(tmp_path: Path) -> None:
    empty: Any = {"allowed_origins": (), "trusted_origins": ()}
    async with client_of(root_of(tmp_path, **empty)) as client:
        for origin, path in itertools.product((ALLOWED, OTHER), ("/app/cookies", "/nowhere")):
            answer = await client.get(path, headers={"origin": origin})
            assert cors(answer.headers) == {}


async def test_the_log_names_the_settings_once_for_each_origin(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with client_of(root_of(tmp_path)) as client:
        for origin in (OTHER, OTHER, "https://other.example"):
            await client.post("/app/cookies", headers={"origin": origin, "cookie": "a=b"})
    told = [each.message for each in caplog.records if "TRIVET_TRUSTED_ORIGINS" in each.message]
    assert [("evil" in each, "TRIVET_ALLOWED_ORIGINS" in each) for each in told] == [
        (True, True),
        (False, True),
    ]
