"""The one family of errors that the domain raises and the rooms render.

The domain never knows which door a request came through: it raises by meaning, and
the API answers a problem document (RFC 9457), the admin a message, the socket an error
code. `detail` is public. The private cause travels beside it by ``raise … from``, and
nothing renders it.
"""

from collections.abc import Iterable, Mapping, Sequence
from http import HTTPStatus
from typing import Any, ClassVar, NotRequired, TypedDict

InputError = TypedDict("InputError", {"pointer": str, "detail": str, "in": NotRequired[str]})
"""One thing wrong with an input: what, and where: an RFC 6901 pointer into the body, or into
what `in` names (query, path, header)."""


def errors_at(attributes: Iterable[str], detail: str) -> list[InputError]:
    """`detail` at each of `attributes` of an input."""
    names = (name.replace("~", "~0").replace("/", "~1") for name in attributes)
    return [{"pointer": f"/{name}", "detail": detail} for name in names]


class TrivetError(Exception):
    """Something that the caller can be told.

    `code` is a short stable slug for machines, `detail` one sentence for people that
    says what to do, `data` whatever else the public may read. `attributes` names what in the
    input it is about, so that every room can show it there: it becomes ``errors`` in `data`.

    `subject` is the mapped class whose attributes ``errors`` names, where that is known.
    """

    status: ClassVar[HTTPStatus] = HTTPStatus.INTERNAL_SERVER_ERROR

    def __init__(
        self, code: str, detail: str, *, attributes: Sequence[str] = (), **data: Any
    ) -> None:
        super().__init__(detail)
        self.subject: type[Any] | None = None
        if attributes:
            data.setdefault("errors", errors_at(attributes, detail))
        self.code = code
        self.detail = detail
        self.data: Mapping[str, Any] = data

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.code!r}, {self.detail!r})"


class Malformed(TrivetError):
    """The input cannot be read at all."""

    status = HTTPStatus.BAD_REQUEST


class Invalid(TrivetError):
    """The input was understood and cannot be accepted; `errors` says where and why."""

    status = HTTPStatus.UNPROCESSABLE_ENTITY

    def __init__(
        self, code: str, detail: str, *, errors: Sequence[InputError] = (), **data: Any
    ) -> None:
        if errors:
            data["errors"] = list(errors)
        super().__init__(code, detail, **data)


class Unauthenticated(TrivetError):
    """Nobody is known behind this request, and somebody has to be."""

    status = HTTPStatus.UNAUTHORIZED


class Forbidden(TrivetError):
    """The caller is known, and may not do this."""

    status = HTTPStatus.FORBIDDEN


class NotFound(TrivetError):
    """There is no such thing, or the caller may not learn that there is."""

    status = HTTPStatus.NOT_FOUND


class Conflict(TrivetError):
    """The input was fine; the state of the data refuses it."""

    status = HTTPStatus.CONFLICT


class PreconditionFailed(TrivetError):
    """The caller's version of the data (``If-Match``) is not the present one."""

    status = HTTPStatus.PRECONDITION_FAILED


class TooLarge(TrivetError):
    """The request is larger than the bound that its message names."""

    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE


class RequestTimeout(TrivetError):
    """The rest of the request did not come in time."""

    status = HTTPStatus.REQUEST_TIMEOUT


class UnsupportedMediaType(TrivetError):
    """The body comes in a form that is not taken."""

    status = HTTPStatus.UNSUPPORTED_MEDIA_TYPE


class Unavailable(TrivetError):
    """Not now: the same request may succeed after `retry_after` seconds."""

    status = HTTPStatus.SERVICE_UNAVAILABLE

    def __init__(self, code: str, detail: str, *, retry_after: int = 1, **data: Any) -> None:
        super().__init__(code, detail, **data)
        self.retry_after = retry_after


class TooManyRequests(TrivetError):
    """The caller has had its share; the same request may succeed after `retry_after` seconds."""

    status = HTTPStatus.TOO_MANY_REQUESTS

    def __init__(self, code: str, detail: str, *, retry_after: int, **data: Any) -> None:
        super().__init__(code, detail, **data)
        self.retry_after = retry_after


class ConfigurationError(TrivetError):
    """The product was put together wrongly; raised at start, never for a request."""
