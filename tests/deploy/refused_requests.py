"""Requests that the server answers before any application sees them."""

from collections.abc import Mapping

API = "/api/mishaps"
JSON = {"content-type": "application/json"}
NAME = b'{"name": "ada"}'
TOO_MUCH = b"x" * 3_000_000
REFUSALS: list[tuple[int, str, str, Mapping[str, str], bytes | None]] = [
    (400, "GET", "/api/", {"host": "elsewhere.example"}, None),
    (400, "POST", f"{API}/names", JSON, b"{"),
    (401, "GET", f"{API}/known", {}, None),
    (401, "GET", f"{API}/known", {"authorization": "Bearer tvt_nobody"}, None),
    (401, "GET", f"{API}/refused/unauthenticated", {}, None),
    (401, "GET", "/mishaps/staff", {}, None),
    (401, "POST", "/api/auth/login", JSON, b'{"username": "x", "password": "y"}'),
    (403, "GET", f"{API}/allowed", {"authorization": "Bearer {key}"}, None),
    (403, "POST", "/api/auth/logout", {"cookie": "a=b", "origin": "https://evil.example"}, None),
    (403, "POST", "/admin/login/", {}, b"username=x"),
    (404, "GET", "/nowhere", {}, None),
    (404, "GET", f"{API}/nowhere", {}, None),
    (404, "GET", "/old/flask/refused/404", {}, None),
    (405, "DELETE", f"{API}/names", {}, None),
    (405, "POST", "/mishaps/refused", {}, b"x"),
    (409, "GET", f"{API}/refused/conflict", {}, None),
    (409, "POST", f"{API}/names", JSON, NAME),
    (409, "POST", f"{API}/names/with-django", JSON, NAME),
    (409, "GET", "/mishaps/refused", {}, None),
    (409, "GET", "/old/flask/refused/409", {}, None),
    (409, "GET", "/old/starlette/taken", {}, None),
    (409, "GET", "/old/fastapi/taken", {}, None),
    (413, "POST", f"{API}/names", JSON, TOO_MUCH),
    (413, "POST", "/admin/login/", {}, TOO_MUCH),
    (415, "POST", f"{API}/names", {**JSON, "content-encoding": "gzip"}, NAME),
    (418, "GET", f"{API}/refused/teapot", {}, None),
    (418, "GET", "/mishaps/teapot", {}, None),
    (422, "POST", f"{API}/names", JSON, b"{}"),
    (429, "GET", f"{API}/refused/throttled", {}, None),
    (503, "GET", f"{API}/refused/unavailable", {}, None),
]
FAULTS: list[tuple[str, str, str, bytes | None]] = [
    ("GET", f"{API}/lost", "lost in a plain endpoint", None),
    ("POST", f"{API}/lost", "lost in an endpoint", NAME),
    ("GET", f"{API}/lost/before", "lost in a dependency", None),
    ("GET", "/mishaps/lost", "lost in a page", None),
    ("GET", "/old/flask/lost", "lost in Flask", None),
    ("GET", "/old/starlette/lost", "lost in Starlette", None),
    ("GET", "/admin/mishaps/mishap/lost/", "lost in a view by GET", None),
    ("POST", "/admin/mishaps/mishap/lost/", "lost in a view by POST", b"x"),
]
