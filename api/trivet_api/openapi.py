"""The OpenAPI document: FastAPI's, with what it cannot know of our policies and refusals."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

from fastapi import FastAPI
from fastapi.routing import RouteContext, iter_route_contexts

from trivet.asgi.middleware.cross_site import SAFE_METHODS
from trivet.asgi.problem import MEDIA_TYPE, title_of
from trivet.identity.policy import Policy, authenticated, its_own, public, staff
from trivet_api.conditions import read_required_conditions
from trivet_api.idempotency import REFUSES, REQUIRES, key_rule_of
from trivet_api.openapi_unused import leave_out_unused
from trivet_api.policy import policies_of
from trivet_api.resource.described import Resource
from trivet_api.resource.marks import marked_in
from trivet_api.resource.openapi_expansions import add_expansions

SECURITY_SCHEMES: dict[str, dict[str, str]] = {
    "key": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "tvt_…",
        "description": "An API key, made by `trivet keys create` or in the admin.",
    },
    "session": {
        "type": "apiKey",
        "in": "cookie",
        "description": "The session of /api/auth/login or of the admin's login page.",
    },
}

_PROBLEM_SCHEMA = {"$ref": "#/components/schemas/Problem"}
_REFUSALS = {
    400: "The request cannot be read.",
    401: "Nobody is known behind the request.",
    403: "The caller may not do this.",
    404: "There is no such thing.",
    408: "The body did not arrive in time.",
    409: "The state of the data refuses it.",
    412: "The conditions of the request do not hold.",
    413: "The body is too large.",
    415: "The body comes in a form that is not taken.",
    422: "The request was read and does not fit; `errors` says where.",
    428: "The request has to name the version that it changes, as `If-Match`.",
    429: "The caller has had its share; `Retry-After` says when to come again.",
    503: "Not now; `Retry-After` says when to come again.",
}


def describe(app: FastAPI, *, root: str, cookie_name: str) -> dict[str, Any]:
    """The document of `app`, mounted at the path `root`: with the ways to authenticate (a key,
    or the session cookie `cookie_name`), each operation's policy, and its refusals."""
    document = app.openapi()
    if "securitySchemes" not in document["components"]:
        # FastAPI keeps the document and hands out the same one again.
        session = {**SECURITY_SCHEMES["session"], "name": cookie_name}
        document["components"]["securitySchemes"] = {**SECURITY_SCHEMES, "session": session}
        operations = list(_operations(app, document))
        for method, context, operation in operations:
            _add_policies(context, operation)
            _add_preference(operation, document["components"])
            _add_key(method, context, operation, document["components"])
        used: set[int] = set()
        for method, context, operation in operations:
            used |= _add_refusals(method, context, operation)
        document["components"]["responses"] = {
            _name(status): _problem(words) for status, words in _REFUSALS.items() if status in used
        }
        _name_operations(operations)
        add_expansions(document["components"]["schemas"], _reading(app, document))
        leave_out_unused(document)
    return {**document, "servers": [{"url": root or "/"}]}


Operation = tuple[str, RouteContext, dict[str, Any]]


def _operations(app: FastAPI, document: dict[str, Any]) -> Iterator[Operation]:
    """The operations of the document with their methods and routes."""
    for context in iter_route_contexts(app.routes):
        described = document["paths"].get(context.path_format, {})
        for method in sorted(context.methods or ()):
            if method.lower() in described:
                yield method, context, described[method.lower()]


def _reading(app: FastAPI, document: dict[str, Any]) -> Iterator[tuple[Resource, dict[str, Any]]]:
    """The resources that read, each with the operations by which it does."""
    for context, resource in marked_in(app):
        described = document["paths"].get(context.path_format, {})
        if "GET" in (context.methods or ()) and "get" in described:
            yield resource, described["get"]


def _add_policies(context: RouteContext, operation: dict[str, Any]) -> None:
    policies = [policy for policy in policies_of(context) if policy != public]
    # An empty list says that nothing is needed; without it, nothing would be said.
    operation["security"] = [{name: []} for name in SECURITY_SCHEMES] if policies else []
    described = operation.get("description", ""), _say(policies)
    operation["description"] = "\n\n".join(each for each in described if each)


_KEYS = {
    "IdempotencyKey": {
        "name": "Idempotency-Key",
        "in": "header",
        "required": False,
        "description": "A new text for each change, such as a UUID, and the same one for each "
        "attempt at it: the change is made once, and every attempt gets its answer. It has at "
        "most 255 visible characters of ASCII.",
        # Without a pattern: generators of requests write values of other types as texts, which
        # are keys as good as any.
        "schema": {"type": "string"},
        "example": "6b1d0f0e-6a3c-4f0f-9f0a-2d6c1c8a7e55",
    }
}
_KEYS["RequiredIdempotencyKey"] = {**_KEYS["IdempotencyKey"], "required": True}
_REPLAYED = {
    "description": "This answer was given before, to the first request with the key.",
    "schema": {"type": "string", "enum": ["true"]},
}


def _add_key(
    method: str, context: RouteContext, operation: dict[str, Any], components: dict[str, Any]
) -> None:
    """Document that an operation takes an Idempotency-Key, if it does."""
    rule = key_rule_of(context)
    if method in SAFE_METHODS or rule is REFUSES:
        return
    name = "RequiredIdempotencyKey" if rule is REQUIRES else "IdempotencyKey"
    components.setdefault("parameters", {})[name] = _KEYS[name]
    components.setdefault("headers", {})["IdempotentReplayed"] = _REPLAYED
    operation.setdefault("parameters", []).append({"$ref": f"#/components/parameters/{name}"})
    for status, response in operation["responses"].items():
        if status.startswith("2"):
            replayed = {"$ref": "#/components/headers/IdempotentReplayed"}
            response.setdefault("headers", {})["Idempotent-Replayed"] = replayed


_APPLIED = {
    "description": "The answer has no body, because the request says `Prefer: return=minimal`.",
    "schema": {"type": "string", "enum": ["return=minimal"]},
}


def _add_preference(operation: dict[str, Any], components: dict[str, Any]) -> None:
    """Document what an operation answers to a caller who prefers no body, if it asks for that:
    201 without one where something is made, and 204 for the rest."""
    named = {(each.get("in"), each.get("name", "").lower()) for each in _given(operation)}
    if ("header", "prefer") not in named:
        return
    components.setdefault("headers", {})["PreferenceApplied"] = _APPLIED
    applied = {"Preference-Applied": {"$ref": "#/components/headers/PreferenceApplied"}}
    responses = operation["responses"]
    made = responses.get("201")
    if made is not None:
        made.setdefault("headers", {}).update(applied)
        words = made.get("description", "").rstrip(".")
        made["description"] = f"{words}. Without a body for `Prefer: return=minimal`."
    if made is None or "200" in responses:
        words = "It is done. Without a body, for `Prefer: return=minimal`."
        responses.setdefault("204", {"description": words}).setdefault("headers", {}).update(
            applied
        )


def _given(operation: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = operation.get("parameters", [])
    return found


def _add_refusals(method: str, context: RouteContext, operation: dict[str, Any]) -> set[int]:
    """Document what an operation can be refused with, beside what its author has documented, and
    return the statuses."""
    responses = operation["responses"]
    for response in responses.values():
        content = response.get("content", {})
        if content.get("application/json", {}).get("schema") == _PROBLEM_SCHEMA:
            content[MEDIA_TYPE] = content.pop("application/json")
    statuses = _refusals_of(method, context, operation)
    for status in sorted(statuses):
        responses.setdefault(str(status), {"$ref": f"#/components/responses/{_name(status)}"})
    return statuses


def _refusals_of(method: str, context: RouteContext, operation: dict[str, Any]) -> set[int]:
    statuses = {400, 429, 503}
    policies = [policy for policy in policies_of(context) if policy != public]
    # A bad key is refused at public operations too.
    statuses.add(401)
    if any(policy != authenticated for policy in policies) or method != "GET":
        statuses.add(403)
    places = {each.get("in") for each in operation.get("parameters", ())}
    statuses |= {404} if "path" in places else set()
    # Every query string is read by the letter.
    statuses.add(422)
    if "requestBody" in operation:
        statuses |= {408, 413, 415}
    if method != "GET":
        statuses |= {409, 413, 415}
    statuses |= {412} if _reads_conditions(method, operation) else set()
    statuses |= {428} if _requires_condition(getattr(context, "dependant", None)) else set()
    return statuses


def _reads_conditions(method: str, operation: dict[str, Any]) -> bool:
    named = {each.get("name", "").lower() for each in operation.get("parameters", ())}
    return method == "GET" or not named.isdisjoint({"if-match", "if-none-match"})


def _requires_condition(dependant: Any) -> bool:
    within = getattr(dependant, "dependencies", ())
    return any(
        each.call is read_required_conditions or _requires_condition(each) for each in within
    )


def _name_operations(operations: list[Operation]) -> None:
    """Name each operation by its feature and its function (``departures_get_flight``), as people
    would call it; two of one name keep FastAPI's, which has the path and the method in it."""
    names = {id(operation): _name_of(context) for _, context, operation in operations}
    counted = Counter(names.values())
    for _, context, operation in operations:
        name = names[id(operation)]
        if context.operation_id is None and name and counted[name] == 1:
            operation["operationId"] = name


def _name_of(context: RouteContext) -> str:
    tags = [str(tag) for tag in context.tags or ()]
    return "_".join([*tags[:1], context.name or ""]).replace("-", "_")


def _name(status: int) -> str:
    return title_of(status).replace(" ", "")


def _problem(words: str) -> dict[str, Any]:
    return {"description": words, "content": {MEDIA_TYPE: {"schema": _PROBLEM_SCHEMA}}}


def _say(policies: list[Policy]) -> str:
    """Who may call an operation, in a sentence; an operation without a docstring has it alone."""
    if not policies:
        return "Everybody may call this."
    permissions = [f"`{name}`" for policy in policies for name in sorted(policy.permissions)]
    if permissions:
        return f"Needs the permission {' and '.join(permissions)}."
    words = [_NEEDS.get(each, f"`{each.words}`") for each in policies if each != its_own]
    return f"Needs {' and '.join(words)}." if words else ""


_NEEDS = {authenticated: "a login", staff: "a member of staff"}
