"""The one family of errors that the domain raises and the rooms render.

The domain never knows which door a request came through. It raises by meaning: the API then
answers a problem document (RFC 9457), the admin shows a message, the socket sends an error code.
`detail` is public. The private cause travels beside it by ``raise … from``, and nothing
renders it.
"""

from collections.abc import Iterable, Mapping, Sequence
from http import HTTPStatus
from typing import Any, ClassVar, NotRequired, TypedDict

InputError = TypedDict("InputError", {"pointer": str, "detail": str, "in": NotRequired[str]})
"""One fault of an input: `detail` says what is wrong, `pointer` (RFC 6901) says where. The pointer
leads into the body, or into the part that `in` names (``query``, ``path``, ``header``)."""


def errors_at(attributes: Iterable[str], detail: str) -> list[InputError]:
    """`detail` at each of `attributes` of an input."""
    names = (name.replace("~", "~0").replace("/", "~1") for name in attributes)
    return [{"pointer": f"/{name}", "detail": detail} for name in names]


class TrivetError(Exception):
    """The base of all errors that the caller may read.

    Args:
        code: A short stable slug for programs, such as ``gate-taken``.
        detail: One sentence for people. It says what to do.
        attributes: The names of the attributes that the error is about. Every room shows the
            error there: the names become ``errors`` in `data`.
        **data: Anything else that the caller may read; the problem document carries it.

    Attributes:
        status: The HTTP status that the API answers.
        code: As given.
        detail: As given.
        data: As given, with ``errors``.
        subject: The mapped class whose attributes ``errors`` names; None if it is not known.
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
    """The input cannot be read at all (400)."""

    status = HTTPStatus.BAD_REQUEST


class Invalid(TrivetError):
    """The input was understood and cannot be accepted (422).

    Args:
        code: As for every `TrivetError`.
        detail: As for every `TrivetError`.
        errors: The faults, each with its place; several attributes can have different faults.
        **data: As for every `TrivetError`, `attributes` included.
    """

    status = HTTPStatus.UNPROCESSABLE_ENTITY

    def __init__(
        self, code: str, detail: str, *, errors: Sequence[InputError] = (), **data: Any
    ) -> None:
        if errors:
            data["errors"] = list(errors)
        super().__init__(code, detail, **data)


class Unauthenticated(TrivetError):
    """The request carries no valid credential, and it needs one (401)."""

    status = HTTPStatus.UNAUTHORIZED


class Forbidden(TrivetError):
    """The caller is known, and may not do this (403)."""

    status = HTTPStatus.FORBIDDEN


class NotFound(TrivetError):
    """The thing does not exist, or the caller may not learn that it exists (404)."""

    status = HTTPStatus.NOT_FOUND


class Conflict(TrivetError):
    """The input is valid, but it contradicts the present state of the data (409).

    Args:
        code: As for every `TrivetError`.
        detail: As for every `TrivetError`.
        retry_after: Seconds after which the same request may succeed; None if it never will.
        **data: As for every `TrivetError`, `attributes` included.
    """

    status = HTTPStatus.CONFLICT

    def __init__(
        self, code: str, detail: str, *, retry_after: int | None = None, **data: Any
    ) -> None:
        super().__init__(code, detail, **data)
        self.retry_after = retry_after


class PreconditionFailed(TrivetError):
    """The caller's version of the data (``If-Match``) is not the present one (412)."""

    status = HTTPStatus.PRECONDITION_FAILED


class PreconditionRequired(TrivetError):
    """The request has to name the caller's version of the data (``If-Match``), and does not
    (428)."""

    status = HTTPStatus.PRECONDITION_REQUIRED


class TooLarge(TrivetError):
    """The request is larger than the bound that the message names (413)."""

    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE


class RequestTimeout(TrivetError):
    """The rest of the request did not arrive in time (408)."""

    status = HTTPStatus.REQUEST_TIMEOUT


class UnsupportedMediaType(TrivetError):
    """The body has a form that is not accepted (415)."""

    status = HTTPStatus.UNSUPPORTED_MEDIA_TYPE


class Unavailable(TrivetError):
    """The server cannot do this now; the same request may succeed later (503).

    Args:
        code: As for every `TrivetError`.
        detail: As for every `TrivetError`.
        retry_after: Seconds after which the client may try again.
        **data: As for every `TrivetError`.
    """

    status = HTTPStatus.SERVICE_UNAVAILABLE

    def __init__(self, code: str, detail: str, *, retry_after: int = 1, **data: Any) -> None:
        super().__init__(code, detail, **data)
        self.retry_after = retry_after


class TooManyRequests(TrivetError):
    """The caller has used its share; the same request may succeed later (429).

    Args:
        code: As for every `TrivetError`.
        detail: As for every `TrivetError`.
        retry_after: Seconds after which the client may try again.
        **data: As for every `TrivetError`.
    """

    status = HTTPStatus.TOO_MANY_REQUESTS

    def __init__(self, code: str, detail: str, *, retry_after: int, **data: Any) -> None:
        super().__init__(code, detail, **data)
        self.retry_after = retry_after


class ConfigurationError(TrivetError):
    """The product is put together wrongly. Raised at the start, never for a request."""
