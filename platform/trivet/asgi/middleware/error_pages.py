"""Problems as pages: a browser sees a page where a program reads a problem document."""

from html import escape
from http import HTTPStatus
from urllib.parse import quote

import msgspec
from starlette.responses import HTMLResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from trivet.asgi.accept import preferred_form
from trivet.asgi.page import Frame
from trivet.asgi.problem import MEDIA_TYPE

_PROBLEM = MEDIA_TYPE.encode()
_REPLACED = frozenset({b"content-type", b"content-length"})


class Problem(msgspec.Struct):
    """The parts of a problem document that a page shows."""

    title: str
    status: int
    code: str = ""
    detail: str = ""
    request_id: str = ""


class ErrorPagesMiddleware:
    """Shows a problem document as a page to a client that prefers HTML. The page has the same
    status, sentence and request id, and a link to the start page. Where nobody is logged in (401)
    it leads to `login`, the path of the login page if there is one, and from there back.

    Every problem passes here: those of the root, of a feature's page and of a mounted app. A
    client that names JSON, or nothing in particular, gets the document itself.
    """

    def __init__(self, app: ASGIApp, *, frame: Frame, login: str = "") -> None:
        self.app = app
        self._frame = frame
        self._login = login

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or preferred_form(scope) != "html":
            await self.app(scope, receive, send)
            return
        root_path = scope.get("root_path", "")  # mounts make it longer
        way_in = self._way_in(scope, root_path)
        start: Message | None = None
        body = b""

        async def send_page(message: Message) -> None:
            nonlocal start, body
            if message["type"] == "http.response.start" and _is_problem(message):
                start = message
                return
            if start is None or message["type"] != "http.response.body":
                await send(message)
                return
            body += message.get("body", b"")
            if message.get("more_body", False):
                return
            problem = _read(body)
            if problem is None:
                await send(start)
                await send({"type": "http.response.body", "body": body})
            else:
                links = way_in if problem.status == HTTPStatus.UNAUTHORIZED else ""
                await self._page(start, problem, root_path, links)(scope, receive, send)

        await self.app(scope, receive, send_page)

    def _way_in(self, scope: Scope, root_path: str) -> str:
        """The link to the login page, which comes back to this address, if it can be asked for
        again."""
        if not self._login:
            return ""
        address = root_path + self._login
        if scope["method"] == "GET":
            query = scope.get("query_string", b"").decode("latin-1")
            here = quote(scope["path"]) + (f"?{query}" if query else "")
            address += f"?next={quote(here, safe='/')}"
        return f'<p><a class="back" href="{escape(address)}">Log in</a></p>\n'

    def _page(self, start: Message, problem: Problem, root_path: str, way_in: str) -> HTMLResponse:
        body = _describe(problem, root_path, way_in)
        html = self._frame.render(root_path, problem.title, body)
        response = HTMLResponse(html, start["status"])
        response.raw_headers += [pair for pair in start["headers"] if pair[0] not in _REPLACED]
        response.headers.add_vary_header("Accept")
        return response


def _is_problem(start: Message) -> bool:
    return (b"content-type", _PROBLEM) in start.get("headers", ())


def _read(body: bytes) -> Problem | None:
    """The document; None if the body is not a problem document of ours, or is empty (HEAD)."""
    try:
        return msgspec.json.decode(body, type=Problem)
    except msgspec.DecodeError:
        return None


def _describe(problem: Problem, root_path: str, way_in: str) -> str:
    asked = f"<p>Request id: <code>{escape(problem.request_id)}</code></p>"
    return (
        f'<p class="status">{problem.status} <code>{escape(problem.code)}</code></p>\n'
        f"<h1>{escape(problem.title)}</h1>\n"
        f"<p>{escape(problem.detail)}</p>\n{asked if problem.request_id else ''}\n"
        f'{way_in}<p><a class="back" href="{escape(root_path)}/">Go to the start page</a></p>'
    )
