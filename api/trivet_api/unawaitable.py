"""Endpoints that ask for a unit of work and could not use it.

A unit is awaited. FastAPI runs a plain ``def`` on a thread, where nothing can be awaited: it would
call `unit.run`, get a coroutine, and answer 201 with nothing done. The start refuses it. A plain
dependency may take a unit, because it may hand it on.
"""

import inspect
from collections.abc import Callable
from typing import Any

from trivet.errors import ConfigurationError
from trivet_api.unit import UNITS


def require_awaitable(path: str, dependant: Any) -> None:
    """Refuse a plain ``def`` that takes a `Unit` or a `SingleQuery`.

    Args:
        path: The route's path, for the sentence.
        dependant: FastAPI's description of what the endpoint asks for.

    Raises:
        ConfigurationError: The endpoint is one; the sentence names it.
    """
    endpoint = dependant.call
    if any(each.call in UNITS for each in dependant.dependencies) and not _is_async(endpoint):
        name = getattr(endpoint, "__qualname__", type(endpoint).__qualname__)
        raise ConfigurationError(
            "sync-endpoint",
            f"{endpoint.__module__}.{name}, the endpoint of {path}, takes a unit of work and is a "
            "plain 'def', which cannot await it. Write 'async def', and "
            "'await unit.run(service, …)'; the service itself stays a plain function.",
        )


def _is_async(endpoint: Callable[..., Any]) -> bool:
    function: Any = inspect.unwrap(endpoint)
    if not inspect.isroutine(function):
        function = function.__call__
    return inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function)
