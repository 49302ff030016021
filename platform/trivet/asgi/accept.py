"""The form that a client prefers: a page or a document (RFC 9110, section 12.5.1).

Browsers name HTML when they open an address. Programs name JSON, or nothing in particular.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Literal

from trivet.asgi.headers import find_header

_HTML = frozenset({"text/html", "application/xhtml+xml"})
_JSON = frozenset({"application/json", "application/problem+json"})

Form = Literal["html", "json"] | None


def preferred_form(scope: Mapping[str, Any]) -> Form:
    """The form that the request's Accept header prefers; None if it names neither.

    Of two with the same weight the first one counts.
    """
    return _form_of(find_header(scope, b"accept") or "")


@lru_cache(maxsize=256)  # a browser or a library sends the same one with every request
def _form_of(accept: str) -> Form:
    accept = accept.lower()
    if "html" not in accept and "json" not in accept:
        return None
    ranges = sorted(map(_parse, accept.split(",")), key=lambda pair: -pair[1])
    for media_type, weight in ranges:
        if weight > 0 and media_type in _HTML:
            return "html"
        if weight > 0 and media_type in _JSON:
            return "json"
    return None


def _parse(media_range: str) -> tuple[str, float]:
    media_type, *parameters = (part.strip() for part in media_range.split(";"))
    for parameter in parameters:
        if parameter.startswith("q="):
            try:
                return media_type, float(parameter[2:])
            except ValueError:
                return media_type, 0.0
    return media_type, 1.0
