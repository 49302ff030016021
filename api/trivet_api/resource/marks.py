"""The resources of an application, found by marks on the endpoints of their routes."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from fastapi import FastAPI
from fastapi.routing import RouteContext, iter_route_contexts
from starlette.routing import BaseRoute

from trivet.events.live_classes import LiveFeed
from trivet.rules.addresses import Addresses
from trivet_api.policy import policies_of
from trivet_api.resource import openapi_parameters
from trivet_api.resource.declaring import fault
from trivet_api.resource.described import Resource
from trivet_api.resource.fields import Field
from trivet_api.resource.live_positions import find_feed
from trivet_api.resource.options import ReadOptions
from trivet_api.whole_numbers import BigIntString

_RESOURCE = "__resource__"


def mark(route: BaseRoute, resource: Resource) -> None:
    """Note on the endpoint of `route` which resource it serves."""
    setattr(route.endpoint, _RESOURCE, resource)  # type: ignore[attr-defined]  # a route of FastAPI's


def marked_in(app: FastAPI) -> Iterator[tuple[RouteContext, Resource]]:
    """The routes of `app` that serve resources."""
    for context in iter_route_contexts(app.routes):
        resource: Resource | None = getattr(context.endpoint, _RESOURCE, None)
        if resource is not None:
            yield context, resource


def note_addresses(app: FastAPI, addresses: Addresses) -> None:
    """Add to `addresses` where the resources of `app` are read, routers around them included.

    Raises ConfigurationError for a filter that nobody could ever use, because no address of a
    related class shows what it asks for.
    """
    marked = list(marked_in(app))
    for context, resource in marked:
        if "GET" in (context.methods or ()):
            addresses.add(resource.model, policies_of(context), resource.options.fields)
    for _, resource in marked:
        _require_shown(resource, addresses)
    texts = _texts_of([resource for _, resource in marked])
    for _, resource in marked:
        _show_texts(resource.options, texts)
        resource.parameters.show_texts(texts)


def _texts_of(resources: Iterable[Resource]) -> Mapping[type[Any], Mapping[str, Field]]:
    """The whole numbers that a resource shows as texts, by the mapped classes."""
    found: dict[type[Any], dict[str, Field]] = {}
    for options in (each.options for each in resources):
        texts = {n: each for n, each in options.fields.items() if each.annotation is BigIntString}
        found.setdefault(options.model, {}).update(texts)
    return found


def _show_texts(options: ReadOptions, texts: Mapping[type[Any], Mapping[str, Field]]) -> None:
    """Show a value of a related row, and the key of a member, as it is shown where its class is
    read: a text that keeps every digit would be rounded here."""
    for members in options.members.values():
        key = members.key
        members.has_texts = key is not None and key.name in texts.get(members.target, {})
    for inner in options.expand.values():
        there = texts.get(inner.model, {})
        known: dict[str, Field] = inner.fields  # type: ignore[assignment]  # made for these options alone
        known.update({name: each for name, each in there.items() if name in known})
        _show_texts(inner, texts)


def _require_shown(resource: Resource, addresses: Addresses) -> None:
    for word in resource.parameters.filters.values():
        if not word.path:
            continue
        target, name = word.path[-1].target, word.field.name
        shown = addresses.names(target)
        if shown is not None and name not in shown:
            raise fault(
                resource.model,
                f"the filter {word.name!r} asks for {target.__name__}.{name}, which the resource "
                f"of {target.__name__} leaves out: leave the filter out, or show it there.",
            )


def document_lists(app: FastAPI, feeds: Iterable[LiveFeed]) -> None:
    """Let lists say in the document what they take, now that all resources and live classes are
    known."""
    known = list(feeds)
    for context, resource in marked_in(app):
        if "GET" not in (context.methods or ()) or not (context.path or "").endswith(resource.path):
            continue
        route: Any = context.original_route
        parameters = resource.parameters.openapi()
        if (feed := find_feed(known, resource.model)) is not None:
            parameters.append(openapi_parameters.of_live(feed.channel))
        route.openapi_extra = {"parameters": parameters}
