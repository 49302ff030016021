"""What caches are told: nothing that was answered to somebody is kept for somebody else."""

from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.testclient import TestClient

from tests.platform.bare import ORIGIN, bare_root, client_of, mounted

pytestmark = pytest.mark.anyio

BOTH = "Cookie, Authorization"
COOKIE = {"cookie": "theme=dark"}
KEY = {"authorization": "Bearer x"}


async def answer(request: Request) -> Response:
    """The headers that the query asks for."""
    return PlainTextResponse("x", headers=dict(request.query_params))


async def lose(request: Request) -> Response:
    raise LookupError


async def move(request: Request) -> Response:
    return RedirectResponse("/elsewhere")


APP = Starlette(routes=[Route("/", answer), Route("/lose", lose), Route("/move", move)])


@pytest.mark.parametrize(
    ("path", "headers", "cache_control", "vary"),
    [
        ("/app/", {}, None, BOTH),
        ("/app/", COOKIE, "no-store", BOTH),
        ("/app/", KEY, "no-store", BOTH),
        ("/app/lose", COOKIE, "no-store", BOTH),
        ("/app/move", COOKIE, "no-store", BOTH),
        ("/app/nowhere", KEY, "no-store", BOTH),
        ("/nowhere", COOKIE, "no-store", BOTH),
        ("/app/?set-cookie=a%3Db", {}, "no-store", BOTH),
        ("/app/?etag=x", COOKIE, "private, no-cache", BOTH),
        ("/app/?last-modified=x", KEY, "private, no-cache", BOTH),
        ("/app/?cache-control=public,max-age%3D9", COOKIE, "public,max-age=9", BOTH),
        ("/app/?vary=Accept-Language", COOKIE, "no-store", f"Accept-Language, {BOTH}"),
        ("/app/?vary=cookie", COOKIE, "no-store", "cookie, Authorization"),
        ("/app/?vary=AUTHORIZATION,Origin,Cookie", {}, None, "AUTHORIZATION,Origin,Cookie"),
        ("/app/?vary=*", {}, None, "*"),
    ],
)
async def test_a_personal_answer_is_kept_by_nobody_and_every_answer_names_what_it_depends_on(
    tmp_path: Path, path: str, headers: dict[str, str], cache_control: str | None, vary: str
) -> None:
    async with client_of(bare_root(tmp_path, [mounted(APP)])) as client:
        response = await client.get(path, headers=headers)
    assert response.headers.get("cache-control") == cache_control
    assert response.headers.get_list("vary") == [vary]


def test_static_files_are_the_same_for_everybody_and_asked_about(tmp_path: Path) -> None:
    app = mounted(APP, static_packages=(("django.contrib.admin", "static"),))
    client = TestClient(bare_root(tmp_path, [app]), base_url=ORIGIN)
    response = client.get("/static/admin/css/base.css", headers=COOKIE)
    again = {**COOKIE, "if-none-match": response.headers["etag"]}
    assert client.get("/static/admin/css/base.css", headers=again).status_code == 304
    assert response.status_code == 200
    assert response.headers["cache-control"] == "public, no-cache"
    assert "vary" not in response.headers
