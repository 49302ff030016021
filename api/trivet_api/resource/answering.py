"""What the writing operations of a resource answer: rows as they are read."""

from collections.abc import Iterable
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

import msgspec
from fastapi import Request, Response
from sqlalchemy import inspect
from sqlalchemy.orm import Session

from trivet.context import context_of
from trivet.identity.identity import Identity
from trivet.models.row_keys import key_text
from trivet_api.conditions import set_etag
from trivet_api.preferences import minimal_response
from trivet_api.resource.bulk import Outcome, problem_of
from trivet_api.resource.described import Resource
from trivet_api.resource.seen import rules_of

JSON = "application/json"


def takes(endpoint: Any, name: str, schema: Any) -> None:
    """Let FastAPI read the argument `name` of `endpoint` by `schema`, which only the resource
    knows."""
    endpoint.__annotations__[name] = schema


async def answer_write(
    request: Request, resource: Resource, row: Any, *, is_new: bool, minimal: bool
) -> Response:
    """What a write answers: the row as it is read, with its version and, if it is new, its
    address."""
    context = context_of(request.scope)
    reader = resource.reader_for(context.platform.capture.rules)
    body, version = await context.unit.run(reader.represent, row)
    location = None
    if is_new:
        collection = request.url.path.partition(":")[0]
        location = f"{collection}/{quote(_key_of(row), safe='')}"
    if minimal:
        return minimal_response(location=location, version=version)
    status = HTTPStatus.CREATED if is_new else HTTPStatus.OK
    response = Response(body, status, media_type=JSON)
    set_etag(response, version)
    if location is not None:
        response.headers["location"] = location
    return response


def _key_of(row: Any) -> str:
    return key_text(inspect(row).mapper.primary_key_from_instance(row))


def represent_outcomes(
    db: Session, actor: Identity, outcomes: Iterable[tuple[Resource, Outcome]]
) -> bytes:
    """The JSON of several outcomes, each of a row of a resource."""
    items: list[dict[str, Any]] = []
    for resource, outcome in outcomes:
        told: dict[str, Any] = {"status": outcome.status}
        if outcome.row is not None:
            body, _ = resource.reader_for(rules_of(db)).represent(db, actor, outcome.row)
            told["body"] = msgspec.Raw(body)
        if outcome.error is not None:
            told["problem"] = problem_of(outcome.error)
        items.append(told)
    return msgspec.json.encode({"items": items})
