"""The OpenAPI document: FastAPI's, with what it cannot know of our policies."""

from typing import Any

from fastapi import FastAPI
from fastapi.routing import iter_route_contexts

from trivet.identity.policy import Policy, public
from trivet_api.policy import policies_of

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


def describe(app: FastAPI, *, root: str, cookie_name: str) -> dict[str, Any]:
    """The document of `app`, mounted at the path `root`: with the ways to authenticate (a key,
    or the session cookie `cookie_name`), and with each operation's policy."""
    document = app.openapi()
    if "securitySchemes" not in document["components"]:
        # FastAPI keeps the document and hands out the same one again.
        session = {**SECURITY_SCHEMES["session"], "name": cookie_name}
        document["components"]["securitySchemes"] = {**SECURITY_SCHEMES, "session": session}
        _add_policies(app, document)
    return {**document, "servers": [{"url": root or "/"}]}


def _add_policies(app: FastAPI, document: dict[str, Any]) -> None:
    for context in iter_route_contexts(app.routes):
        operations = document["paths"].get(context.path_format, {})
        policies = [policy for policy in policies_of(context) if policy != public]
        for method in context.methods or ():
            operation = operations.get(method.lower())
            if operation is not None and policies:
                operation["security"] = [{name: []} for name in SECURITY_SCHEMES]
                operation["description"] = _say(operation.get("description", ""), policies)


def _say(description: str, policies: list[Policy]) -> str:
    permissions = [f"`{name}`" for policy in policies for name in sorted(policy.permissions)]
    if not permissions:
        return description
    return f"{description}\n\nNeeds the permission {' and '.join(permissions)}.".strip()
