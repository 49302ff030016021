"""The declaration of a resource: what `trivet_api.resource.resource` was given, checked.

All that can be known to be wrong is refused here, while the feature is imported: the start names
the class and the cure, and no request finds it.
"""

import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import inspect as inspect_mapped
from sqlalchemy.orm import Mapper

from trivet.errors import ConfigurationError
from trivet.identity.policy import Policy, requires
from trivet.suggestion import did_you_mean
from trivet_api.resource.naming import permission_of

OPERATIONS = ("list", "read", "create", "update", "delete", "bulk", "upsert")
"""What a resource can do. ``bulk`` is creating, changing and deleting many rows at once, as far as
one of them may be created, changed and deleted; ``upsert`` is there where a constraint is named."""

_ACTIONS = {"list": "view", "read": "view", "create": "add", "update": "change", "delete": "delete"}
"""The operations, each with the action of the permission that Django has for it."""


@dataclass(frozen=True, slots=True)
class Policies:
    """Who may use the operations of a resource."""

    read: Policy
    create: Policy
    update: Policy
    delete: Policy


def policies_for(model: type[Any], policy: Policy | None, read_policy: Policy | None) -> Policies:
    """The policies of a resource: the given ones, and where none is given the permissions of
    Django's that the admin asks as well."""
    every: dict[str, Any] = {"policy": policy, "read_policy": read_policy}
    for name, given in every.items():
        if given is not None and not isinstance(given, Policy):
            raise fault(
                model,
                f"{name} is {given!r}, and no policy: give public, authenticated, staff or "
                "requires('app.permission').",
            )

    def of(action: str) -> Policy:
        return requires(permission_of(model, action)) if policy is None else policy

    return Policies(read_policy or of("view"), of("add"), of("change"), of("delete"))


def operations_of(
    model: type[Any],
    operations: Iterable[str] | None,
    without: Iterable[str],
    *,
    is_only_read: bool,
    has_upsert: bool,
) -> frozenset[str]:
    """The operations of a resource.

    Raises ConfigurationError for an unknown one, and for one that the class cannot have.
    """
    possible = {"list", "read"} if is_only_read else {*OPERATIONS}
    if not has_upsert:
        possible.discard("upsert")
    named = {*(possible if operations is None else operations)}
    for name in sorted({*named, *without} - {*OPERATIONS}):
        raise fault(model, f"there is no operation {name!r}{did_you_mean(name, OPERATIONS)}")
    chosen = named - {*without}
    for name in sorted(chosen - possible):
        cure = "its rows are only read" if is_only_read else "name its constraint: upsert='uq_…'"
        raise fault(model, f"it cannot {name}: {cure}.")
    if not chosen:
        raise fault(model, "no operation is left: leave the resource out.")
    return frozenset(chosen)


def services_of(
    model: type[Any], operations: Iterable[str], given: Mapping[str, Any]
) -> dict[str, Callable[..., Any]]:
    """The services through which operations go.

    Raises ConfigurationError for one that is no plain function, or whose operation is left out.
    """
    found = {name: service for name, service in given.items() if service is not None}
    for name, service in found.items():
        if not callable(service) or inspect.iscoroutinefunction(service):
            raise fault(
                model,
                f"{name}={getattr(service, '__name__', service)!r} is no plain function: a "
                "service is 'def', and takes the session and the actor first.",
            )
        if name not in operations:
            raise fault(model, f"{name}= names a service, and the operation is left out.")
    return found


def mapper_of(model: type[Any]) -> Mapper[Any]:
    """The mapper of `model`. Raises ConfigurationError if it is no mapped class."""
    mapper = inspect_mapped(model, raiseerr=False)
    if not isinstance(mapper, Mapper):
        name = getattr(model, "__name__", repr(model))
        raise ConfigurationError(
            "resource", f"resource({name}): {name} is no mapped class. Name one of models.py."
        )
    return mapper


def fault(model: type[Any], sentence: str) -> ConfigurationError:
    """The refusal of a resource of `model`."""
    return ConfigurationError("resource", f"resource({model.__name__}): {sentence}")
