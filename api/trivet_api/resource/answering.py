"""What the writing operations of a resource answer: rows as they are read."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import quote

import msgspec
from fastapi import Request, Response
from sqlalchemy.orm import Session
from sqlalchemy.orm.attributes import instance_state
from starlette.status import HTTP_200_OK, HTTP_201_CREATED

from trivet.context import context_of
from trivet.identity.identity import Identity
from trivet_api.conditions import etag_of
from trivet_api.json_answer import JsonAnswer
from trivet_api.preferences import minimal_response
from trivet_api.problems import JUDGE
from trivet_api.resource.bulk import Outcome, problem_of
from trivet_api.resource.described import Resource
from trivet_api.resource.keys import address_of
from trivet_api.resource.seen import require_creatable, rules_of
from trivet_api.resource.write_options import WriteOptions

JSON = "application/json"
UPSERT = ":upsert"
"""The end of the address of an upsert, behind that of its resource."""


def takes(endpoint: Any, name: str, schema: Any, *, creates: WriteOptions | None = None) -> None:
    """Let FastAPI read the argument `name` of `endpoint` by `schema`, which only the resource
    knows. Where it `creates` rows and the actor can make none, that is said of a body that does
    not fit."""
    endpoint.__annotations__[name] = schema
    if creates is not None:
        setattr(endpoint, JUDGE, partial(_judge, creates))


def _judge(write: WriteOptions, request: Request) -> None:
    context = context_of(request.scope)
    require_creatable(context.platform.capture.rules, context.identity, write)


@dataclass(frozen=True, slots=True)
class Written:
    """A row that was written, as it is answered.

    Attributes:
        key: Its key, as an address has it.
        body: Its JSON.
        version: What its entity tag is made of.
        is_new: Whether it was made.
    """

    key: str
    body: bytes
    version: str
    is_new: bool


def represent_written(
    db: Session, actor: Identity, resource: Resource, row: Any, *, is_new: bool
) -> Written:
    """A row as it is read by whoever has written it, in the transaction of the write."""
    reader = resource.reader_for(rules_of(db))
    return written(row, *reader.represent(db, actor, row), is_new=is_new)


def written(row: Any, body: bytes, version: str, *, is_new: bool) -> Written:
    """A row that was written, with its JSON and its version."""
    key = address_of(instance_state(row).mapper.primary_key_from_instance(row))
    return Written(key, body, version, is_new)


def answer_write(request: Request, written: Written, *, minimal: bool) -> Response:
    """What a write answers: the row, with its version and, if it is new, its address."""
    location = None
    if written.is_new:
        collection = request.scope["path"].removesuffix(UPSERT)
        key = written.key if written.key.isdigit() else quote(written.key, safe="!")
        location = f"{collection}/{key}"
    if minimal:
        return minimal_response(location=location, version=written.version)
    status = HTTP_201_CREATED if written.is_new else HTTP_200_OK
    headers = [(b"etag", etag_of(written.version).encode("latin-1"))]
    if location is not None:
        headers.append((b"location", location.encode("latin-1")))
    return JsonAnswer(written.body, status, headers)


def encode_outcomes(outcomes: Iterable[Outcome]) -> bytes:
    """The JSON of several outcomes, in their order."""
    items: list[dict[str, Any]] = []
    for outcome in outcomes:
        told: dict[str, Any] = {"status": outcome.status}
        if outcome.body is not None:
            told["body"] = msgspec.Raw(outcome.body)
        if outcome.error is not None:
            told["problem"] = problem_of(outcome.error)
        items.append(told)
    return msgspec.json.encode({"items": items})
