"""``POST /api/batch``: operations on several resources in one transaction.

It is there if the API has a resource that writes. Each operation asks the policies of the route
that does the same by itself, routers around it included.
"""

from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI, Request, Response
from pydantic import BaseModel, Field, JsonValue

from trivet.identity.policy import its_own
from trivet_api.conditions import refuse_conditions
from trivet_api.policy import policies_of
from trivet_api.resource.answering import JSON, UPSERT, encode_outcomes
from trivet_api.resource.batch import Batch, BatchTarget, run_operations
from trivet_api.resource.bulk_schemas import IN_ITEMS
from trivet_api.resource.marks import marked_in
from trivet_api.unit import Unit

PATH = "/batch"


class BatchOutcome(BaseModel):
    """What became of one operation."""

    status: int = Field(description="As if it had been the only one.")
    body: dict[str, JsonValue] | None = Field(None, description="The row, as it is read.")


class BatchAnswer(BaseModel):
    """The outcomes of the operations, in their order."""

    items: list[BatchOutcome]


_VERBS = {"POST": "create", "PATCH": "update", "DELETE": "delete"}


def install_batch(app: FastAPI) -> None:
    """Add the route, if there is something that it can do."""
    targets = _find(app)
    if not targets:
        return

    async def batch(request: Request, operations: Batch, unit: Unit) -> Response:
        """Do several operations, one after the other: all of them or none. Each needs the
        permissions that it needs by itself."""
        refuse_conditions(request, IN_ITEMS)
        outcomes = await unit.run(run_operations, targets, operations.operations)
        return Response(encode_outcomes(outcomes), media_type=JSON)

    app.add_api_route(
        PATH,
        batch,
        methods=["POST"],
        name="write",
        tags=["batch"],
        summary="Write rows of several resources in one transaction",
        dependencies=[its_own],
        response_model=BatchAnswer,
    )


def _find(app: FastAPI) -> Mapping[str, BatchTarget]:
    """The resources that write, by their addresses below the API."""
    found: dict[str, BatchTarget] = {}
    for context, resource in marked_in(app):
        path = context.path or ""
        verb = "upsert" if path.endswith(UPSERT) else _verb_of(context)
        if verb is None or ":batch" in path:
            continue
        address = path.removesuffix(UPSERT).removesuffix("/{key}").strip("/")
        if address not in found:
            found[address] = BatchTarget(resource.writing, resource.options.fields, {})
        policies: Any = found[address].policies
        policies[verb] = policies_of(context)
    return found


def _verb_of(context: Any) -> str | None:
    return next((_VERBS[each] for each in context.methods or () if each in _VERBS), None)
