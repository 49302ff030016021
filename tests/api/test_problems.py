"""What the API answers to bad input, and that no route goes without a policy."""

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.platform.bare import bare_platform, client_of
from trivet.asgi.root import Root, build_root
from trivet.errors import ConfigurationError
from trivet.features import Feature
from trivet_api.mount import mount

pytestmark = pytest.mark.anyio


SEATS = Feature("seats", "tests.api.seats")
OPEN_DOOR = Feature("seats", "tests.api.open_door")


@pytest.fixture
def root(tmp_path: Path) -> Root:
    """The API with the routes of the feature `seats`."""
    platform = bare_platform(tmp_path, features=(SEATS,))
    return build_root(platform, [mount(platform)])


@pytest.fixture
async def client(root: Root) -> AsyncIterator[httpx2.AsyncClient]:
    async with client_of(root) as client:
        yield client


BOOKINGS = "/api/seats/bookings"
SEAT = {"row": 1, "letter": "A"}


@pytest.mark.parametrize(
    ("content", "status", "code", "errors"),
    [
        (b'{"seats": [', 400, "malformed-json", None),
        (b"\xff\xfe", 400, "malformed-json", None),
        ('{"seats": []}'.encode("utf-16"), 400, "malformed-json", None),
        (b"[" * 100_000, 400, "malformed-json", None),
        (b'{"seats":' * 5_000, 400, "malformed-json", None),
        (b"1" * 5_000, 400, "malformed-json", None),
        (b'{"seats": NaN}', 400, "malformed-json", None),
        (b'{"seats": [-Infinity]}', 400, "malformed-json", None),
        (b'{"seats": 1e999}', 400, "malformed-json", None),
        (b'{"seats": [{"row": 1, "row": 2}]}', 400, "malformed-json", None),
        (b'{"\\ud800": 1, "\\ud800": 2}', 400, "malformed-json", None),
        (b'{"\\ud800": 1}', 422, "invalid", [("body", "")]),
        (b'\xef\xbb\xbf{"seats": 3}', 422, "invalid", [("body", "/seats")]),
        (b"", 422, "invalid", [("body", "")]),
        (b"null", 422, "invalid", [("body", "")]),
        (b"3", 422, "invalid", [("body", "")]),
        (b'{"seats": 3}', 422, "invalid", [("body", "/seats")]),
        (
            b'{"seats": [{"row": 0, "letter": "G"}], "a/b~c": 1}',
            422,
            "invalid",
            [("body", "/seats/0/row"), ("body", "/seats/0/letter"), ("body", "/a~1b~0c")],
        ),
    ],
)
async def test_bad_bodies(
    client: httpx2.AsyncClient, content: bytes, status: int, code: str | None, errors: Any
) -> None:
    headers = {"content-type": "application/json"}
    response = await client.post(BOOKINGS, content=content, headers=headers)
    assert response.status_code == status
    assert response.headers["content-type"] == "application/problem+json"
    problem = response.json()
    assert problem["status"] == status
    assert problem["request_id"] == response.headers["x-request-id"]
    if code is not None:
        assert problem["code"] == code
    if errors is not None:
        found = [(fault.get("in", "body"), fault["pointer"]) for fault in problem["errors"]]
        assert found == errors


async def test_two_faults_in_one_request_are_both_told_with_their_place(
    client: httpx2.AsyncClient,
) -> None:
    response = await client.post(f"{BOOKINGS}?price=-1", json={"seats": [SEAT | {"row": "x"}]})
    assert response.status_code == 422
    found = {(fault.get("in"), fault["pointer"]) for fault in response.json()["errors"]}
    assert found == {("query", "/price"), (None, "/seats/0/row")}


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/api/nowhere", 404, "no-such-page"),
        ("DELETE", BOOKINGS, 405, "method-not-allowed"),
        ("GET", "/api/seats/teapot", 418, "i-am-a-teapot"),
        ("GET", "/api/seats/secret", 401, "not-authenticated"),
        ("GET", "/api/seats/mine", 401, "not-authenticated"),
        ("GET", "/api/seats/lost", 500, "internal"),
        ("GET", "/api/seats/together?raised=taken", 409, "taken"),
        ("GET", "/api/seats/together?raised=teapot", 418, "i-am-a-teapot"),
        ("GET", "/api/seats/together?raised=lost", 500, "internal"),
        ("GET", "/api/seats/together?raised=taken&raised=teapot", 500, "internal"),
    ],
)
async def test_every_refusal_is_a_problem_document(
    client: httpx2.AsyncClient, method: str, path: str, status: int, code: str
) -> None:
    response = await client.request(method, path)
    assert (response.status_code, response.json()["code"]) == (status, code)
    assert response.headers["content-type"] == "application/problem+json"
    assert "swordfish" not in response.text


async def test_a_cursor_leads_to_the_next_page_of_its_own_list(client: httpx2.AsyncClient) -> None:
    first = (await client.get("/api/seats/pages")).json()
    second = (await client.get("/api/seats/pages", params={"cursor": first["next"]})).json()
    assert (first["at"], second["at"]) == (0, 1)
    other = await client.get("/api/seats/other-pages", params={"cursor": first["next"]})
    assert other.json()["code"] == "bad-cursor"


@pytest.mark.parametrize("damage", ["", "x", "{0}x", "x{0}", "é{0}", "{0}=", "\n{0}"])
async def test_a_cursor_that_was_tampered_with_is_422(
    client: httpx2.AsyncClient, damage: str
) -> None:
    first = (await client.get("/api/seats/pages")).json()
    cursor = damage.format(first["next"])
    response = await client.get("/api/seats/pages", params={"cursor": cursor})
    assert (response.status_code, response.json()["code"]) == (422, "bad-cursor")


async def test_the_openapi_document_says_who_may_and_how_errors_look(
    client: httpx2.AsyncClient,
) -> None:
    await client.get("/api/openapi.json")  # it is made once, and handed out again
    document = (await client.get("/api/openapi.json")).json()
    paths = document["paths"]
    assert paths["/seats/secret"]["get"]["security"] == [{"key": []}, {"session": []}]
    described = paths["/seats/secret"]["get"]["description"]
    assert described == "Read the list.\n\nNeeds the permission `seats.view_booking`."
    assert paths["/seats/bookings"]["post"]["security"] == [], "nothing is needed, and that is said"
    assert document["servers"] == [{"url": "/api"}]
    default = paths["/seats/bookings"]["post"]["responses"]["default"]
    assert list(default["content"]) == ["application/problem+json"]
    assert "Problem" in str(default)


async def test_the_document_names_operations_and_what_they_are_refused_with(
    client: httpx2.AsyncClient,
) -> None:
    document = (await client.get("/api/openapi.json")).json()
    operations = {
        (path, method): operation
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }
    shared = document["components"]["responses"]
    names = [operation["operationId"] for operation in operations.values()]
    assert len(set(names)) == len(names)
    assert operations["/seats/bookings", "post"]["operationId"] == "seats_book"
    for operation in operations.values():
        for status, response in operation["responses"].items():
            if status == "default" or int(status) >= 400:
                name = response.get("$ref", "").rpartition("/")[2]
                described = shared[name] if name else response
                assert list(described["content"]) == ["application/problem+json"], operation
    told = set(operations["/seats/bookings", "post"]["responses"])
    assert told >= {"400", "401", "409", "413", "415", "422", "429"}
    assert "403" in operations["/seats/secret", "get"]["responses"]


@pytest.fixture
def root_of_two(tmp_path: Path) -> Root:
    """The same, beside a feature without an `api.py`."""
    platform = bare_platform(tmp_path, features=(SEATS, Feature("silent", "tests.platform")))
    return build_root(platform, [mount(platform)])


async def test_the_document_has_no_group_without_an_operation(root_of_two: Root) -> None:
    async with client_of(root_of_two) as client:
        document = (await client.get("/api/openapi.json")).json()
    assert [tag["name"] for tag in document["tags"]] == ["seats", "auth"]


@pytest.mark.parametrize(
    ("query", "pointers"),
    [
        ("price=1", None),
        ("price=1&price=2", ["/price"]),
        ("price=1&price=1&price=1", ["/price"]),
        ("prize=1", ["/prize"]),
        ("price=1&a/b=2&a/b=3&c=", ["/a~1b", "/c"]),
        ("price", ["/price"]),
    ],
)
async def test_a_query_is_read_by_the_letter(
    client: httpx2.AsyncClient, query: str, pointers: list[str] | None
) -> None:
    answer = await client.post(f"/api/seats/bookings?{query}", json={"seats": []})
    assert answer.status_code == (200 if pointers is None else 422), answer.text
    faults = answer.json()["errors"] if pointers else []
    found = [(fault["in"], fault["pointer"]) for fault in faults]
    assert found == [("query", each) for each in pointers or ()]


async def test_the_documentation_page_loads_nothing_from_elsewhere(
    client: httpx2.AsyncClient,
) -> None:
    page = (await client.get("/api/docs")).text
    assert "//" not in page.replace("<!--", "")
    loaded = re.findall('(?:src|href)="([^"]+)"', page)
    assert {re.sub(r"\.[0-9a-f]{12}\.", ".", each) for each in loaded} == {
        "/static/trivet/icon.svg",
        "/static/swagger-ui.css",
        "/static/swagger-ui-bundle.js",
        "/api/docs/style.css",
        "/api/docs/start.js",
    }
    for asset in loaded:
        assert (await client.get(asset)).status_code == 200, asset


async def test_behind_an_outer_prefix_the_documentation_finds_its_parts(root: Root) -> None:
    async with client_of(root, root_path="/outer") as client:
        page = (await client.get("/outer/api/docs")).text
        [style] = re.findall('href="(/outer/static/swagger-ui[^"]*css)"', page)
        assert (await client.get(style)).status_code == 200
        document = (await client.get("/outer/api/openapi.json")).json()
    assert document["servers"] == [{"url": "/outer/api"}]


def test_a_route_without_a_policy_keeps_the_application_from_starting(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"GET /api/seats/open\. Give each"):
        mount(bare_platform(tmp_path, features=(OPEN_DOOR,)))


def test_routes_are_listed_with_their_policy(tmp_path: Path) -> None:
    mounted = mount(bare_platform(tmp_path, features=(SEATS,)))
    routes = {route.path: route.policy for route in mounted.list_routes()}
    assert routes["/api/seats/secret"] == "seats.view_booking"
    assert routes["/api/seats/mine"] == "authenticated"
    assert routes["/api/auth/login"] == "public"


@pytest.mark.parametrize("count", [50, 51, 20_000])
async def test_of_many_errors_some_are_told_and_how_many_more_there_are(
    client: httpx2.AsyncClient, count: int
) -> None:
    body = {"seats": [SEAT], **{f"unknown{n}": n for n in range(count)}}
    response = await client.post(BOOKINGS, json=body)
    assert response.status_code == 422
    errors = response.json()["errors"]
    assert [error["pointer"] for error in errors[:50]] == [f"/unknown{n}" for n in range(50)]
    assert [error["detail"] for error in errors[50:]] == (
        [f"and {count - 50:,} more"] if count > 50 else []
    )


async def test_a_name_as_long_as_the_body_does_not_come_back_whole(
    client: httpx2.AsyncClient,
) -> None:
    response = await client.post(BOOKINGS, json={"seats": [SEAT], "x" * 100_000: 1})
    assert response.status_code == 422
    assert len(response.content) < 2000


@pytest.mark.parametrize(("names", "errors"), [(10, 10), (100_000, 1)])
async def test_a_login_looks_at_a_few_names_only(
    client: httpx2.AsyncClient, names: int, errors: int
) -> None:
    given = {"username": "ada", "password": "x", **{f"n{n}": n for n in range(names)}}
    response = await client.post("/api/auth/login", json=given)
    assert response.status_code == 422
    assert len(response.json()["errors"]) == errors
