"""Conditional requests (RFC 9110, 13): one reading of entity tags for every resource of the API.

An endpoint that answers with a version gives it as the tag, and one that changes something hands
the caller's conditions to whoever can compare, under the lock of the row:

    @router.patch("/flights/{flight_id}", dependencies=[CHANGE])
    async def change_flight(flight_id: int, change: Change, unit: Unit, response: Response,
                            conditions: Conditions) -> FlightOut:
        flight = await unit.run(services.update_flight, flight_id, change, conditions.require)
        set_etag(response, flight.version)
        return FlightOut.of(flight)

The 304 to a GET, and the 412 where its If-Match does not hold, need nobody: `trivet_api.answers`
compares what was answered.

A proxy that compresses changes the tags that pass: nginx makes `W/"7"` of `"7"`, Apache and Caddy
`"7-gzip"`. The client sends back what it was given, and by the letter (strong comparison) would
be told for ever that it is late. So what such proxies do is undone before tags are compared.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, NamedTuple

from fastapi import Depends, Header, Request, Response

from trivet.errors import Invalid, PreconditionFailed, PreconditionRequired

_TAG = re.compile(r'(W/)?"([\x21\x23-\x7e\x80-\xff]*)"')
_SEPARATOR = re.compile(r"[ \t]*(?:,[ \t]*)+")
_CODING = re.compile(r"(?:--?|;)(?:gzip|br|zstd|deflate)$")
"""What Apache, Caddy, Jetty and others add to the tag of what they have compressed."""


class EntityTag(NamedTuple):
    """An entity tag, with what a compressing proxy may have added to its text taken off."""

    text: str
    is_weak: bool = False


@dataclass(frozen=True, slots=True)
class TagList:
    """The value of If-Match or If-None-Match: some tags, or `is_any` for ``*``."""

    tags: tuple[EntityTag, ...] = ()
    is_any: bool = False

    def names(self, current: EntityTag) -> bool:
        """Whether `current` is among them by the weak comparison, that of If-None-Match."""
        return self.is_any or any(tag.text == current.text for tag in self.tags)

    def names_strongly(self, current: EntityTag) -> bool:
        """Whether `current` is among them by the strong comparison, that of If-Match.

        A tag that was given out strong and came back weak was weakened on the way, and counts.
        """
        return self.is_any or (not current.is_weak and self.names(current))


def parse_tag(text: str) -> EntityTag | None:
    """The one tag in `text`, the value of an ETag header; None if it is none."""
    found = _TAG.fullmatch(text.strip(" \t"))
    return None if found is None else _tag(found)


def parse_tags(lines: Iterable[str]) -> TagList | None:
    """The tags of all header `lines` together; None where there is no line.

    Whatever is no tag names nothing: a condition that cannot be read must not pass for none.
    """
    given = [line.strip(" \t") for line in lines]
    if not given:
        return None
    text = ", ".join(given)
    if text == "*":
        return TagList(is_any=True)
    tags: list[EntityTag] = []
    at = 0
    while at < len(text):
        if (separator := _SEPARATOR.match(text, at)) and separator.end() > at:
            at = separator.end()
            continue
        found = _TAG.match(text, at)
        if found is None:
            return TagList()
        tags.append(_tag(found))
        at = found.end()
    return TagList(tuple(tags))


def _tag(found: re.Match[str]) -> EntityTag:
    return EntityTag(_CODING.sub("", found[2]), is_weak=found[1] is not None)


@dataclass(frozen=True, slots=True)
class Condition:
    """What the caller insists on. Ask `require` once the row is locked."""

    if_match: TagList | None = None
    if_none_match: TagList | None = None

    def require(self, version: object | None) -> None:
        """Let the change pass if the caller's conditions hold.

        Args:
            version: What the resource's ETag is made of, as `set_etag` takes it; None where there
                is no such resource yet.

        Raises:
            PreconditionFailed: The resource is another than the caller insists on (412).
        """
        current = None if version is None else EntityTag(_CODING.sub("", str(version)))
        if (self.if_match is not None and not _holds(self.if_match, current)) or (
            self.if_none_match is not None
            and current is not None
            and self.if_none_match.names(current)
        ):
            raise stale(version)


def require_condition(condition: Condition) -> None:
    """Demand that the caller names the version that is to be changed.

    Args:
        condition: The conditions of the request. ``If-None-Match: *``, by which something is made
            that may not be there yet, is one too.

    Raises:
        PreconditionRequired: The request has none (428).
    """
    excluded = condition.if_none_match
    if condition.if_match is None and not (excluded is not None and excluded.is_any):
        raise PreconditionRequired(
            "condition-required",
            "Send the ETag that you have read as If-Match, or in an item as if_match, so that "
            "nobody else's change is lost.",
            errors=[{"in": "header", "pointer": "/if-match", "detail": "this route requires it"}],
        )


def refuse_conditions(request: Request, instead: str) -> None:
    """Refuse conditions in the head of a request that is about several rows, each of which has a
    version of its own: passed over in silence, they would lose what they are there to keep.

    Args:
        request: The request.
        instead: What its sender can do, as a sentence without a dot.

    Raises:
        Invalid: It has one (422).
    """
    given = [name for name in ("if-match", "if-none-match") if name in request.headers]
    if given:
        raise Invalid(
            "condition-misplaced",
            f"A condition in the head of a request is about one row, and this is about several: "
            f"{instead}.",
            errors=[{"in": "header", "pointer": f"/{name}", "detail": instead} for name in given],
        )


def stale(version: object | None) -> PreconditionFailed:
    """The refusal of a caller whose conditions do not hold for `version`."""
    if version is None:
        return PreconditionFailed("stale-version", "There is nothing here whose version could fit.")
    return PreconditionFailed(
        "stale-version",
        f"This has version {version} by now, which your conditions rule out; read it again.",
        version=version,
    )


def _holds(if_match: TagList, current: EntityTag | None) -> bool:
    return current is not None and if_match.names_strongly(current)


def set_etag(response: Response, version: object) -> None:
    """Give `version` as the answer's strong ETag; it must rise, or change, with every change.

    Args:
        response: The response that the endpoint asked for.
        version: A number or a text of printable ASCII without quotes.

    Raises:
        ValueError: The text cannot stand in a tag.
    """
    response.headers["etag"] = etag_of(version)


def etag_of(version: object) -> str:
    """The strong ETag of `version`. Raises ValueError if its text cannot stand in one."""
    etag = f'"{version}"'
    if _TAG.fullmatch(etag) is None:
        raise ValueError(f"{version!r} cannot stand in an ETag")
    return etag


async def _read_conditions(
    request: Request,
    if_match: Annotated[  # noqa: ARG001  # for the document: FastAPI hands over one line of several
        str | None,
        Header(description="The ETag as you read it, or several; 412 if it has changed since."),
    ] = None,
    if_none_match: Annotated[  # noqa: ARG001  # as above
        str | None,
        Header(description="ETags that are not yours to change; * if nothing may be there."),
    ] = None,
) -> Condition:
    if _NAMES.isdisjoint([name for name, _ in request.scope["headers"]]):
        return _NO_CONDITION  # as of most changes
    headers = request.headers
    return Condition(
        parse_tags(headers.getlist("if-match")), parse_tags(headers.getlist("if-none-match"))
    )


_NAMES = frozenset({b"if-match", b"if-none-match"})
_NO_CONDITION = Condition()


# Asked for every change: `trivet_api.plain_bodies` need not read the lines a second time.
_read_conditions.__reads_head_itself__ = True  # type: ignore[attr-defined]  # a mark

Conditions = Annotated[Condition, Depends(_read_conditions)]
"""The annotation by which an endpoint asks for the conditions of its request."""


async def read_required_conditions(conditions: Conditions) -> Condition:
    """The conditions of a request that is refused without one."""
    require_condition(conditions)
    return conditions


RequiredConditions = Annotated[Condition, Depends(read_required_conditions)]
"""The annotation, in place of `Conditions`, for an endpoint that is not called without one: 428
where the request names no version."""
