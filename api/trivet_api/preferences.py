"""Preferences of the caller (RFC 7240): ``Prefer: return=minimal`` for whoever needs no body.

An endpoint that makes or changes something asks for `PrefersMinimal`, and answers without a body
where the caller wants none:

    @router.post("/loans", status_code=201, dependencies=[ADD])
    async def lend(loan: NewLoan, unit: Unit, minimal: PrefersMinimal) -> Any:
        made = await unit.run(services.lend, loan.book_id)
        if minimal:
            return minimal_response(location=f"/api/library/loans/{made.id}")
        return LoanOut.of(made)
"""

import re
from collections.abc import Iterable, Iterator
from typing import Annotated

from fastapi import Depends, Header, Request, Response
from starlette.status import HTTP_201_CREATED, HTTP_204_NO_CONTENT

from trivet_api.conditions import set_etag

_PREFERENCE = re.compile(
    r"""\s*(?P<name>[!#$%&'*+.^_`|~0-9A-Za-z-]+)
        (?:\s*=\s*(?:"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<bare>[!#$%&'*+.^_`|~0-9A-Za-z-]*)))?
        (?P<parameters>(?:\s*;(?:[^",;]|"(?:[^"\\]|\\.)*")*)*)\s*(?:,|$)""",
    re.VERBOSE,
)


def prefers_minimal(request: Request) -> bool:
    """Whether the caller wants no body (``Prefer: return=minimal``).

    Args:
        request: The request.

    Returns:
        What the first ``return`` among its preferences says; False where there is none. A
        preference that cannot be read is passed by, as RFC 7240 asks.
    """
    lines = [value for name, value in request.scope["headers"] if name == b"prefer"]
    wanted = _returns(line.decode("latin-1") for line in lines)
    return bool(lines) and next(wanted, "").lower() == "minimal"


def minimal_response(*, location: str | None = None, version: object | None = None) -> Response:
    """An answer without a body, for a caller who prefers that.

    Args:
        location: The address of what was made; it makes the answer a 201. Without it, it is 204.
        version: What the ETag is made of, as `set_etag` takes it.

    Returns:
        The answer, which says by ``Preference-Applied`` why it is empty.

    Raises:
        ValueError: The version cannot stand in a tag.
    """
    response = Response(status_code=HTTP_204_NO_CONTENT if location is None else HTTP_201_CREATED)
    response.headers["preference-applied"] = "return=minimal"
    response.headers["vary"] = "Prefer"
    if location is not None:
        response.headers["location"] = location
    if version is not None:
        set_etag(response, version)
    return response


def _returns(lines: Iterable[str]) -> Iterator[str]:
    """The values of the preferences named ``return``, in their order."""
    for line in lines:
        at = 0
        while (found := _PREFERENCE.match(line, at)) is not None and found.end() > at:
            if found["name"].lower() == "return":
                yield found["quoted"] or found["bare"] or ""
            at = found.end()


async def _prefers_minimal(
    request: Request,
    prefer: Annotated[  # noqa: ARG001  # for the document: FastAPI hands over one line of several
        str | None,
        Header(description="`return=minimal`: answer without a body.", examples=["return=minimal"]),
    ] = None,
) -> bool:
    return prefers_minimal(request)


# Asked for every write: `trivet_api.plain_bodies` need not read the line a second time.
_prefers_minimal.__reads_head_itself__ = True  # type: ignore[attr-defined]  # a mark

PrefersMinimal = Annotated[bool, Depends(_prefers_minimal)]
"""The annotation by which an endpoint asks whether the caller wants no body."""
