"""The page at ``/``: the places to go, for anyone who opens the address of the site.

It belongs to the root. A feature's pages lie below the feature's name, so that two features never
claim one address. A site can name another first page in the setting `home`; visitors of ``/`` are
then redirected to it.
"""

from collections.abc import Iterator, Sequence
from html import escape

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.types import Receive, Scope, Send

from trivet.asgi.accept import preferred_form
from trivet.asgi.mount import MountedApp, PageLink
from trivet.asgi.page import Frame
from trivet.asgi.problem import error_response, no_such_page
from trivet.context import context_of
from trivet.errors import TrivetError
from trivet.identity import Identity


class Welcome:
    """The endpoint of ``/``: a page of what is mounted and what the visitor may open.

    A client that prefers JSON gets the problem document of a path that does not exist. With `home`
    everybody is redirected there instead.
    """

    def __init__(self, frame: Frame, mounts: Sequence[MountedApp], home: str = "") -> None:
        self._frame = frame
        self._mounts = tuple(mounts)
        self._home = home

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._answer(Request(scope))(scope, receive, send)

    def _answer(self, request: Request) -> Response:
        scope = request.scope
        root_path = scope.get("root_path", "")
        if self._home:
            return RedirectResponse(root_path + self._home)
        if preferred_form(scope) == "json":
            response = error_response(scope, no_such_page(scope))
        else:
            body = self._body(root_path, context_of(scope).identity)
            response = HTMLResponse(self._frame.render(root_path, self._frame.name, body))
        response.headers["vary"] = "Accept, Cookie"
        return response

    def _body(self, root_path: str, identity: Identity) -> str:
        links = "\n".join(self._links(root_path, identity))
        places = f'<ul class="places">\n{links}\n</ul>' if links else "<p>Nothing is here yet.</p>"
        return f"<h1>{escape(self._frame.name)}</h1>\n{places}"

    def _links(self, root_path: str, identity: Identity) -> Iterator[str]:
        for link, address in list_links(self._mounts, identity):
            yield f"<li>{_show(link, root_path + address)}</li>"


def list_links(mounts: Sequence[MountedApp], identity: Identity) -> Iterator[tuple[PageLink, str]]:
    """The links of `mounts` that `identity` may follow, each with its path below the root."""
    for mounted in mounts:
        for link in mounted.links:
            if _may_open(mounted, link, identity):
                yield link, mounted.prefix + link.path


def _show(link: PageLink, address: str) -> str:
    path = escape(address)
    text = f"<b>{escape(link.title)}</b> <code>{path}</code><span>{escape(link.about)}</span>"
    return f'<a href="{path}">{text}</a>' if link.is_page else f"<div>{text}</div>"


def _may_open(mounted: MountedApp, link: PageLink, identity: Identity) -> bool:
    try:
        mounted.policy.check(identity)
        link.policy.check(identity)
    except TrivetError:
        return False
    return True
