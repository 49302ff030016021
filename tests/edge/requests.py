"""Requests as bytes, with the answers that are due to them.

`CLEAN` are requests that can be told from the next one on their connection, whatever is wrong with
them: they are answered, and the connection goes on. `BROKEN` cannot, so their answer ends it.
"""

from typing import NamedTuple

HOST = b"Host: localhost\r\n"
END = b"\r\n"
JSON = b"Content-Type: application/json\r\n"
POST = b"POST /api/mishaps/names HTTP/1.1\r\n" + HOST + JSON
CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"
BODY = b'{"name":"the name of a crate"}'
LENGTH = b"Content-Length: %d\r\n\r\n" % len(BODY)


class Row(NamedTuple):
    """A request and its answer. `proxied` is the status behind nginx, where nginx itself answers;
    `allow` the value of its Allow header, `body` a part of its body."""

    name: str
    request: bytes
    status: int
    proxied: int | None = None
    allow: str = ""
    body: bytes = b""


def get(path: bytes, more: bytes = b"", method: bytes = b"GET") -> bytes:
    return method + b" " + path + b" HTTP/1.1\r\n" + HOST + more + END


def chunk(data: bytes, extension: bytes = b"") -> bytes:
    return b"%x" % len(data) + extension + b"\r\n" + data + b"\r\n"


BOARD = b"/api/departures/board/ZZZ"
FLIGHT = b"/api/departures/flights/1"
CSS = b"/static/trivet/page.css"
GET_ONLY = "GET, HEAD, OPTIONS"

CLEAN = [
    Row("a GET", get(b"/healthz"), 200, body=b'"ok"'),
    Row("a HEAD of a probe", get(b"/healthz", method=b"HEAD"), 200),
    Row("a HEAD of the API", get(b"/api/", method=b"HEAD"), 200),
    Row("a HEAD of its document", get(b"/api/openapi.json", method=b"HEAD"), 200),
    Row("a HEAD of its documentation", get(b"/api/docs", method=b"HEAD"), 200),
    Row("a HEAD of nothing", get(b"/nowhere", method=b"HEAD"), 404),
    Row("a HEAD of a refusal", get(FLIGHT, method=b"HEAD"), 401),
    Row("a HEAD of the admin", get(b"/admin/login/", method=b"HEAD"), 200),
    Row("a HEAD of a page", get(b"/departures/", method=b"HEAD"), 200),
    Row("a wrong method", get(FLIGHT, method=b"PUT"), 405, allow="GET, HEAD, PATCH, OPTIONS"),
    Row("a wrong method at a probe", get(b"/healthz", method=b"DELETE"), 405, allow=GET_ONLY),
    Row("a wrong method at a file", get(CSS, method=b"PATCH"), 405, allow=GET_ONLY),
    Row("a wrong method at /static", get(b"/static/x", method=b"PUT"), 405, allow=GET_ONLY),
    Row(
        "OPTIONS of a flight",
        get(FLIGHT, method=b"OPTIONS"),
        204,
        allow="GET, HEAD, PATCH, OPTIONS",
    ),
    Row("OPTIONS of a page", get(b"/departures/", method=b"OPTIONS"), 204, allow=GET_ONLY),
    Row(
        "OPTIONS of the server",
        get(b"*", method=b"OPTIONS"),
        204,
        proxied=400,
        allow="GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS",
    ),
    Row("TRACE", get(b"/healthz", method=b"TRACE"), 405, proxied=405),
    Row(
        "an unknown host",
        b"GET /api/ HTTP/1.1\r\nHost: evil.example\r\n\r\n",
        400,
        body=b"unknown-host",
    ),
    Row(
        "two hosts",
        b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n",
        400,
        proxied=400,
    ),
    Row("no host", b"GET /healthz HTTP/1.1\r\n\r\n", 400, proxied=400),
    Row("an empty host", b"GET /api/ HTTP/1.1\r\nHost:\r\n\r\n", 400, proxied=400),
    Row("a host that is none", b"GET /api/ HTTP/1.1\r\nHost: a b\r\n\r\n", 400, proxied=400),
    Row("the whole address", b"GET http://localhost/healthz HTTP/1.1\r\n" + HOST + END, 200),
    Row(
        "a body that a GET need not have", get(b"/healthz", b"Content-Length: 3\r\n") + b"abc", 200
    ),
    Row("an announced body", POST + LENGTH + BODY, 409),
    Row("chunks", POST + CHUNKED + chunk(BODY[:9]) + chunk(BODY[9:]) + b"0\r\n\r\n", 409),
    Row(
        "chunks with extensions and a trailer",
        POST + CHUNKED + chunk(BODY, b";a=b") + b"0\r\nX-Sum: 1\r\n\r\n",
        409,
    ),
    Row(
        "a host in a trailer",
        POST + CHUNKED + chunk(BODY) + b"0\r\nHost: evil.example\r\n\r\n",
        409,
    ),
    Row(
        "a key in a trailer",
        POST + CHUNKED + chunk(BODY) + b"0\r\nAuthorization: Bearer tvt_x\r\n\r\n",
        409,
    ),
    Row("no body where one is due", POST + b"Content-Length: 0\r\n\r\n", 422),
    Row("malformed JSON", POST + b"Content-Length: 1\r\n\r\n{", 400, body=b"malformed-json"),
    Row("an encoded body", POST + b"Content-Encoding: br\r\nContent-Length: 2\r\n\r\nab", 415),
    Row("a nul in a path", get(b"/departures/%00"), 404, proxied=400),
    Row("no UTF-8 in a path", get(b"/departures/%ff%fe"), 404),
    Row("a path out of the site", get(b"/static/%2e%2e/%2e%2e/etc/passwd"), 404, proxied=400),
    Row("a board that is not there", get(BOARD), 404),
    Row("no key", get(b"/api/departures/flights/x"), 401),
    Row(
        "a stale cookie",
        get(b"/api/auth/me", b"Cookie: trivet_session=" + b"a" * 32 + b"\r\n"),
        401,
    ),
    Row("a cookie that is none", get(b"/api/auth/me", b"Cookie: =;;a\r\n"), 401),
    Row("a bad key", get(b"/api/auth/me", b"Authorization: Bearer tvt_x\r\n"), 401),
    Row("a part of a file", get(CSS, b"Range: bytes=0-9\r\n"), 206),
    Row("the end of a file", get(CSS, b"Range: bytes=-5\r\n"), 206),
    Row("two parts of a file", get(CSS, b"Range: bytes=0-1,4-5\r\n"), 206),
    Row("a part that is not there", get(CSS, b"Range: bytes=999999-\r\n"), 416),
    Row("a unit that is not known", get(CSS, b"Range: lines=1-2\r\n"), 200),
    Row("a part of another version", get(CSS, b'Range: bytes=0-9\r\nIf-Range: "other"\r\n'), 200),
    Row("a fresh copy", get(CSS, b"If-None-Match: *\r\n"), 304),
    Row(
        "a header of 32 kB",
        get(b"/healthz", b"X-Long: " + b"x" * 32_000 + b"\r\n"),
        200,
        proxied=400,
    ),
    Row(
        "a WebSocket where none is", get(b"/api/", b"Upgrade: h2c\r\nConnection: Upgrade\r\n"), 200
    ),
]
"""The connection goes on behind each of them."""

TOO_LARGE = POST + b"Content-Length: 3000000\r\n\r\n" + b"x" * 3_000_000

BROKEN = [
    Row("no HTTP", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400),
    Row("a folded header", get(b"/healthz", b"X: a\r\n b\r\n"), 400),
    Row("a space before the colon", get(b"/healthz", b"X : a\r\n"), 400),
    Row("a nul in a header", get(b"/healthz", b"X: a\x00b\r\n"), 400),
    Row("two lengths", POST + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nab", 400),
    Row("two ways of length", POST + b"Content-Length: 31\r\n" + CHUNKED + b"0\r\n\r\n", 400),
    Row("a length and a word", POST + b"Content-Length: 3x\r\n\r\nabc", 400),
    Row("a signed length", POST + b"Content-Length: +3\r\n\r\nabc", 400),
    Row("a length beyond all", POST + b"Content-Length: 99999999999999999999999\r\n\r\n", 400, 413),
    Row("a size that is none", POST + CHUNKED + b"zz\r\nabc\r\n0\r\n\r\n", 400),
    Row("a chunk that is too long", POST + CHUNKED + b"2\r\nabc\r\n0\r\n\r\n", 400),
    Row(
        "chunked, but not last",
        POST + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        400,
        501,
    ),
    Row("a head of 100 kB", get(b"/healthz", b"X: " + b"x" * 100_000 + b"\r\n"), 431, 400),
    Row("a path of 100 kB", get(b"/" + b"x" * 100_000), 431, 414),
    Row("a body that is too large", TOO_LARGE, 413),
]
"""The answer ends the connection, and says so; `proxied` is nginx's own status."""
