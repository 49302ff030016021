"""A mapped class as a resource of the API: ``router = resource(Book)``."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel

from trivet.identity.policy import Policy
from trivet.models.naming import identifier_of
from trivet.models.views import find_reading
from trivet_api.resource.declaring import (
    fault,
    mapper_of,
    operations_of,
    policies_for,
    services_of,
)
from trivet_api.resource.described import Resource
from trivet_api.resource.fields import Field
from trivet_api.resource.members import named_members
from trivet_api.resource.naming import path_of
from trivet_api.resource.options import PAGE, PAGE_MAX, ReadOptions
from trivet_api.resource.parameters import Parameters
from trivet_api.resource.routes import router_of
from trivet_api.resource.schemas import partial_of, readable_fields, schema
from trivet_api.resource.search_conditions import find_declared
from trivet_api.resource.write_options import write_options


def resource(
    model: type[Any],
    *,
    path: str | None = None,
    operations: Iterable[str] | None = None,
    without: Iterable[str] = (),
    policy: Policy | None = None,
    read_policy: Policy | None = None,
    create: Callable[..., Any] | None = None,
    update: Callable[..., Any] | None = None,
    delete: Callable[..., Any] | None = None,
    read_schema: type[BaseModel] | None = None,
    create_schema: type[BaseModel] | None = None,
    update_schema: type[BaseModel] | None = None,
    exclude: Iterable[str] = (),
    as_text: Iterable[str] = (),
    members: Iterable[str] = (),
    filters: Iterable[str] | None = None,
    sorts: Iterable[str] | None = None,
    sort: str | None = None,
    expand: Iterable[str] = (),
    search: Iterable[str] | None = None,
    page: int = PAGE,
    page_max: int = PAGE_MAX,
    require_match: bool = False,
    upsert: str | None = None,
) -> APIRouter:
    """A router that lists, reads, creates, changes and deletes the rows of a mapped class.

    ::

        router = resource(Book, expand=["author"], search=["title"])

    It is a router of FastAPI's, so it can be included in another one, beside endpoints of one's
    own. docs/resources.md says what each operation takes and answers, docs/queries.md how a list is
    asked.

    Args:
        model: The mapped class.
        path: The address below the feature; by default the class in the plural (``/books``),
            or the plural in the `info` of its table.
        operations: Those that there are: ``list``, ``read``, ``create``, ``update``, ``delete``,
            ``bulk`` and, with `upsert`, ``upsert``. By default all that the class allows.
        without: Those that there are not.
        policy: Who may use it. By default each operation asks for the permission that Django has
            for it, as the admin does (``library.view_book``).
        read_policy: Who may list and read, if that is somebody else.
        create: A service in place of ours: ``(db, actor, values)``, which returns the new row.
        update: The same for changes: ``(db, actor, key, changes)``.
        delete: The same for deletions: ``(db, actor, key)``.
        read_schema: A schema of what is read in place of the derived one. It documents; what is
            answered are its fields. In the document none of them is required, because a query can
            leave each of them out (``fields``).
        create_schema: A schema of what creates.
        update_schema: A schema of what changes.
        exclude: Columns that are neither read nor written.
        as_text: Whole numbers that are texts in JSON.
        members: Many-to-many relationships that are lists of keys.
        filters: What may be filtered by: columns, columns of related rows (``author.name``), and
            ``*`` for all of the class's own, which is the default.
        sorts: What may be sorted by. By default the key and the columns with which an index begins.
        sort: The order of a list where nobody asks for one (``-published_at,title``).
        expand: Relationships that can be shown inside a row (``author``, ``author.country``).
        search: Columns in which ``search`` looks for words. By default those that the table says
            are indexed for it.
        page: The rows of a page.
        page_max: The most rows of a page that a client may ask for.
        require_match: Refuse a change or a deletion without If-Match (428).
        upsert: The name of a unique constraint by which an upsert knows a row.

    Returns:
        The router.

    Raises:
        ConfigurationError: A name is wrong, or does not go with another one.
    """
    mapper = mapper_of(model)
    is_only_read = find_reading(mapper) is not None
    chosen = operations_of(
        model, operations, without, is_only_read=is_only_read, has_upsert=upsert is not None
    )
    if require_match and upsert is not None:
        raise fault(model, "an upsert cannot say which version it changes: leave one of them out.")
    given = {"create": create, "update": update, "delete": delete}
    services: dict[str, Any] = services_of(model, chosen, given)
    shape: dict[str, Any] = {
        "exclude": tuple(exclude),
        "as_text": tuple(as_text),
        "members": tuple(members),
    }
    shown = partial_of(read_schema) if read_schema else schema(model, "read", **shape)
    fields = _fields_of(model, shown, shape)
    options = ReadOptions(
        model=model,
        fields=fields,
        filters=None if filters is None else tuple(filters),
        sorts=None if sorts is None else tuple(sorts),
        expand=_expansions(model, expand),
        search=find_declared(model, fields) if search is None else tuple(search),
        default_sort=None if sort is None else tuple(sort.split(",")),
        page=page,
        page_max=page_max,
        members=named_members(model, shape["members"]),
        has_policy=policy is not None or read_policy is not None,
    )
    declared = Resource(
        model=model,
        path=path_of(model, path),
        noun=identifier_of(model),
        operations=chosen,
        policies=policies_for(model, policy, read_policy),
        options=options,
        parameters=Parameters(options),
        read_schema=shown,
    )
    if not is_only_read:
        declared.write = write_options(
            model,
            **shape,
            create_schema=create_schema,
            update_schema=update_schema,
            upsert=upsert,
            version=declared.version_of,
            represent=declared.body_of,
            require_match=require_match,
            creates=not chosen.isdisjoint({"create", "upsert"}),
            **services,
        )
    return router_of(declared)


def _fields_of(
    model: type[Any], shown: type[BaseModel], shape: Mapping[str, Any]
) -> Mapping[str, Field]:
    """The attributes that are answered: those of the read schema."""
    names = {each.alias or name for name, each in shown.model_fields.items()}
    readable = readable_fields(model, exclude=shape["exclude"], as_text=shape["as_text"])
    return {name: each for name, each in readable.items() if name in names}


def _expansions(model: type[Any], paths: Iterable[str]) -> Mapping[str, ReadOptions]:
    """The options of each relationship in `paths`, nested where they have dots."""
    below: dict[str, list[str]] = {}
    for path in paths:
        name, _, rest = path.partition(".")
        below.setdefault(name, []).extend([rest] if rest else [])
    relationships = mapper_of(model).relationships
    found: dict[str, ReadOptions] = {}
    for name, deeper in below.items():
        if name not in relationships:
            raise fault(model, f"expand names {name!r}, which is no relationship of it.")
        other = relationships[name].mapper.class_
        found[name] = ReadOptions(
            model=other, fields=readable_fields(other), expand=_expansions(other, deeper)
        )
    return found
