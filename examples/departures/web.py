"""The pages: a list of airports, and the departure board of each.

A page is a frame without data; its script reads the board from the API and keeps it
true over the socket, like any other client. Every address in a page is relative, so it
works below whatever prefix a proxy puts before it, and nothing is inline, so the content
security policy needs no exception.
"""

import html
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from string import Template

import anyio
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from departures.models import Airport
from departures.services import list_departure_airports
from trivet import context_of
from trivet.web import files, page, public

PAGES = Path(__file__).parent / "pages"
STATIC = Path(__file__).parent / "static"
_CODE = re.compile(r"[A-Za-z]{3}")


async def airports(request: Request) -> Response:
    """The airports that have a board, to choose from."""
    return await _choose(request, "Choose an airport.", 200)


async def board(request: Request) -> Response:
    """The board of one airport."""
    code = request.path_params["airport"]
    if _CODE.fullmatch(code) and code != code.upper():
        return RedirectResponse(code.upper())
    for airport in await _airports(request):
        if airport.code == code:
            fields = {"code": code, "city": airport.city, "name": airport.name}
            return await _page("board.html", fields)
    return await _choose(request, "There is no departure board here. Choose an airport.", 404)


async def _airports(request: Request) -> Sequence[Airport]:
    return await context_of(request.scope).unit.run(list_departure_airports)


async def _choose(request: Request, message: str, status: int) -> Response:
    item = Template(
        '<li><a href="$code"><b>$code</b><span>$city</span><small>$name</small></a></li>'
    )
    items = [
        item.substitute(
            code=html.escape(airport.code),
            city=html.escape(airport.city),
            name=html.escape(airport.name),
        )
        for airport in await _airports(request)
    ]
    page = await _template("airports.html")
    body = page.substitute(message=html.escape(message), airports="\n".join(items))
    return HTMLResponse(body, status)


async def _page(name: str, fields: Mapping[str, str]) -> Response:
    page = await _template(name)
    return HTMLResponse(page.substitute({key: html.escape(fields[key]) for key in fields}))


async def _template(name: str) -> Template:
    return Template(await anyio.Path(PAGES / name).read_text(encoding="utf-8"))


routes = [
    page("/", airports, policy=public),
    files("/static", STATIC, policy=public),
    page("/{airport}", board, policy=public),
]
