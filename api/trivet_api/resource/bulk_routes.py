"""The routes by which many rows of a resource are written at once."""

from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from fastapi import APIRouter, Request, Response

from trivet.identity.policy import Policy
from trivet_api.conditions import refuse_conditions
from trivet_api.resource.answering import JSON, encode_outcomes, takes
from trivet_api.resource.bulk import delete_batch, insert_batch, update_batch
from trivet_api.resource.bulk_schemas import IN_ITEMS, Verb, answer_schema, batch_schema
from trivet_api.resource.described import Resource
from trivet_api.unit import Unit

_SERVICES: dict[Verb, Callable[..., Any]] = {
    "create": insert_batch,
    "update": update_batch,
    "delete": delete_batch,
}


def add_bulk(router: APIRouter, resource: Resource) -> None:
    """Add a route for each kind of writing that the resource has."""
    policies: dict[Verb, Policy] = {
        "create": resource.policies.create,
        "update": resource.policies.update,
        "delete": resource.policies.delete,
    }
    for verb, policy in policies.items():
        if verb in resource.operations:
            _add(router, resource, verb, policy)


def _add(router: APIRouter, resource: Resource, verb: Verb, policy: Policy) -> None:
    write = resource.writing
    service = _SERVICES[verb]

    async def write_batch(request: Request, batch: Any, unit: Unit) -> Response:
        refuse_conditions(request, _INSTEAD[verb])
        outcomes = await unit.run(service, write, batch)
        is_whole = all(each.error is None for each in outcomes)
        status = HTTPStatus.OK if is_whole else HTTPStatus.MULTI_STATUS
        return Response(encode_outcomes(outcomes), status, media_type=JSON)

    creates = write if verb == "create" else None
    takes(write_batch, "batch", batch_schema(write, verb), creates=creates)
    answer = answer_schema(write, None if verb == "delete" else resource.read_schema)
    router.add_api_route(
        f"{resource.path}:batch{verb.capitalize()}",
        write_batch,
        methods=["POST"],
        name=f"batch_{verb}_{resource.plural}",
        summary=f"{_WORDS[verb]} many {resource.rows} at once",
        description="All of them or none; with `atomic` false each has its own outcome.",
        dependencies=[policy],
        response_model=answer,
        response_description="All of them were done.",
        responses={HTTPStatus.MULTI_STATUS.value: {"description": _MIXED, "model": answer}},
    )


_MIXED = "With `atomic` false: some were refused, or all. `problem` of an item says why."
_INSTEAD: dict[Verb, str] = {
    "create": "what is made here has no version yet",
    "update": IN_ITEMS,
    "delete": IN_ITEMS,
}
_WORDS: dict[Verb, str] = {"create": "Create", "update": "Change", "delete": "Delete"}
