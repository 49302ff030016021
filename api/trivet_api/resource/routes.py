"""The routes of a resource: plain FastAPI, each of them an endpoint with a policy.

What comes in is read by the schemas, what goes out is written by the reader: a row has one JSON,
whether it was created, changed, read or listed. Reads go from the database to JSON without an
object; writes go through services, as those of a hand-written endpoint do.
"""

from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from fastapi import APIRouter, Request, Response
from sqlalchemy.orm import Session

from trivet.context import context_of
from trivet.identity.identity import Identity
from trivet.models.row_keys import key_text
from trivet_api.conditions import Condition, Conditions
from trivet_api.json_answer import JsonAnswer
from trivet_api.preferences import PrefersMinimal
from trivet_api.problems import Problem
from trivet_api.query import reads_query
from trivet_api.resource.answering import (
    UPSERT,
    Written,
    answer_write,
    represent_written,
    takes,
)
from trivet_api.resource.bulk_routes import add_bulk
from trivet_api.resource.described import Resource
from trivet_api.resource.keys import require_key
from trivet_api.resource.lone_creating import create_alone
from trivet_api.resource.marks import mark
from trivet_api.resource.schemas import values_of
from trivet_api.resource.upserting import upsert_row
from trivet_api.resource.writer import Change, Values
from trivet_api.resource.writing import delete_row, insert_row, update_row
from trivet_api.unit import Unit

_REFUSED: dict[int | str, dict[str, Any]] = {
    428: {
        "description": "The request has no If-Match, and this resource demands one.",
        "model": Problem,
    }
}
"""What a change of a resource that demands a condition is refused with, beside what every operation
is."""


def router_of(resource: Resource) -> APIRouter:
    """A router with the operations that `resource` has."""
    router = APIRouter()
    for operation, add in _ADDING.items():
        if operation in resource.operations:
            add(router, resource)
    for route in router.routes:
        mark(route, resource)
    return router


def _add_list(router: APIRouter, resource: Resource) -> None:
    @reads_query
    async def list_rows(request: Request) -> Response:
        context = context_of(request.scope)
        reader = resource.reader_for(context.platform.capture.rules)
        query_string: bytes = request.scope["query_string"]
        body = await reader.list(context.unit, query_string, context.platform)
        return JsonAnswer(body)

    router.add_api_route(
        resource.path,
        list_rows,
        methods=["GET"],
        name=f"list_{resource.plural}",
        summary=f"List {resource.rows}",
        dependencies=[resource.policies.read],
        response_model=resource.page_schema,
        openapi_extra={"parameters": resource.parameters.openapi()},
    )


def _add_read(router: APIRouter, resource: Resource) -> None:
    @reads_query
    async def read_row(request: Request, key: str) -> Response:
        context = context_of(request.scope)
        reader = resource.reader_for(context.platform.capture.rules)
        body, etag = await reader.read(context.unit, key, request.scope["query_string"])
        return JsonAnswer(body, headers=[(b"etag", etag.encode())] if etag else ())

    router.add_api_route(
        f"{resource.path}/{{key}}",
        read_row,
        methods=["GET"],
        name=f"read_{resource.noun}",
        summary=f"Read {resource.a_row}",
        dependencies=[resource.policies.read],
        response_model=resource.read_schema,
        openapi_extra={"parameters": resource.parameters.openapi_of_read()},
    )


def _add_create(router: APIRouter, resource: Resource) -> None:
    write = resource.writing

    async def create_row(
        request: Request, row: Any, unit: Unit, conditions: Conditions, minimal: PrefersMinimal
    ) -> Any:
        conditions.require(None)  # they are about the row, which is not there yet
        values = values_of(row)
        written = await create_alone(request, resource, values)
        if written is None:
            written = await unit.run(_create, resource, values)
        return answer_write(request, written, minimal=minimal)

    takes(create_row, "row", write.create_schema, creates=write)
    router.add_api_route(
        resource.path,
        create_row,
        methods=["POST"],
        name=f"create_{resource.noun}",
        summary=f"Create {resource.a_row}",
        dependencies=[resource.policies.create],
        response_model=resource.read_schema,
        status_code=HTTPStatus.CREATED,
    )


def _add_update(router: APIRouter, resource: Resource) -> None:
    write = resource.writing

    async def update_row_(  # its name in the document is given below
        request: Request,
        key: str,
        *,
        changes: Any,
        unit: Unit,
        conditions: Conditions,
        minimal: PrefersMinimal,
    ) -> Any:
        text = key_text(require_key(resource.model, key))
        written = await unit.run(_update, resource, Change(text, values_of(changes), conditions))
        return answer_write(request, written, minimal=minimal)

    takes(update_row_, "changes", write.update_schema)
    router.add_api_route(
        f"{resource.path}/{{key}}",
        update_row_,
        methods=["PATCH"],
        name=f"update_{resource.noun}",
        summary=f"Change {resource.a_row}",
        dependencies=[resource.policies.update],
        response_model=resource.read_schema,
        responses=_REFUSED if write.require_match else None,
    )


def _add_delete(router: APIRouter, resource: Resource) -> None:
    write = resource.writing

    async def delete_row_(key: str, unit: Unit, conditions: Conditions) -> None:
        text = key_text(require_key(resource.model, key))
        await unit.run(delete_row, write, text, condition=conditions)

    router.add_api_route(
        f"{resource.path}/{{key}}",
        delete_row_,
        methods=["DELETE"],
        name=f"delete_{resource.noun}",
        summary=f"Delete {resource.a_row}",
        dependencies=[resource.policies.delete],
        status_code=HTTPStatus.NO_CONTENT,
        response_class=Response,
        responses=_REFUSED if write.require_match else None,
    )


def _add_upsert(router: APIRouter, resource: Resource) -> None:
    write = resource.writing

    async def upsert(
        request: Request, row: Any, unit: Unit, conditions: Conditions, minimal: PrefersMinimal
    ) -> Any:
        written = await unit.run(_upsert, resource, values_of(row), conditions)
        return answer_write(request, written, minimal=minimal)

    names = " and ".join(write.unique)
    takes(upsert, "row", write.create_schema, creates=write)
    policies = dict.fromkeys([resource.policies.create, resource.policies.update])
    router.add_api_route(
        f"{resource.path}{UPSERT}",
        upsert,
        methods=["POST"],
        name=f"upsert_{resource.noun}",
        summary=f"Create {resource.a_row}, or change the one that has the same {names}",
        dependencies=[*policies],
        response_model=resource.read_schema,
        responses={201: {"description": "It was created.", "model": resource.read_schema}},
    )


def _create(db: Session, actor: Identity, resource: Resource, values: Values) -> Written:
    row = insert_row(db, actor, resource.writing, values)
    return represent_written(db, actor, resource, row, is_new=True)


def _update(db: Session, actor: Identity, resource: Resource, change: Change) -> Written:
    key, values, condition = change.key, change.values, change.condition
    row = update_row(db, actor, resource.writing, key, values, condition=condition)
    return represent_written(db, actor, resource, row, is_new=False)


def _upsert(
    db: Session, actor: Identity, resource: Resource, values: Values, condition: Condition
) -> Written:
    row, is_new = upsert_row(db, actor, resource.writing, values, condition=condition)
    return represent_written(db, actor, resource, row, is_new=is_new)


_ADDING: dict[str, Callable[[APIRouter, Resource], None]] = {
    "list": _add_list,
    "read": _add_read,
    "create": _add_create,
    "update": _add_update,
    "delete": _add_delete,
    "upsert": _add_upsert,
    "bulk": add_bulk,
}
