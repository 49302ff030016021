"""What ``expand`` brings, in the schemas of the document: generated clients have it in their types.

A related row is described by the schema that its class has in the document, as far as a resource
reads that class; else it is an object, of which nothing more is said.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import inspect

from trivet_api.resource.described import Resource
from trivet_api.resource.options import ReadOptions

_ROW = {"type": "object", "additionalProperties": True}
_SAID = "There if `expand` names it."
_MEMBERS = "Keys; or rows, if `expand` names it."


@dataclass(frozen=True, slots=True)
class Shown:
    """A resource that reads, and the name of the schema of its rows."""

    resource: Resource
    schema: str


def add_expansions(
    schemas: dict[str, Any], operations: Iterable[tuple[Resource, Mapping[str, Any]]]
) -> None:
    """Add to the schemas of rows what the resources that read them can expand.

    Args:
        schemas: Those of the document, by their names.
        operations: The operations of the document that read, each with its resource.
    """
    shown: dict[type[Any], Shown] = {}
    for resource, operation in operations:
        name = _name_of_row(schemas, operation)
        if name is not None:
            shown.setdefault(resource.model, Shown(resource, name))
    for each in list(shown.values()):
        relationships = inspect(each.resource.model).relationships
        properties = schemas[each.schema].setdefault("properties", {})
        for name, options in each.resource.options.expand.items():
            row = _row_of(options, shown)
            has_many = bool(relationships[name].uselist)
            related = _collection(schemas, row) if has_many else row
            if name in properties:
                properties[name] = {"anyOf": [properties[name], related], "description": _MEMBERS}
            elif has_many:
                properties[name] = {**related, "description": _SAID}
            else:
                properties[name] = {"anyOf": [related, {"type": "null"}], "description": _SAID}


def _name_of_row(schemas: Mapping[str, Any], operation: Mapping[str, Any]) -> str | None:
    """The schema of a row in the answer to an operation, be it a row or a page of rows."""
    content = operation["responses"].get("200", {}).get("content", {})
    name = _name(content.get("application/json", {}).get("schema", {}))
    items = schemas.get(name or "", {}).get("properties", {}).get("items", {})
    return _name(items.get("items", {})) or name


def _name(schema: Mapping[str, Any]) -> str | None:
    reference: str | None = schema.get("$ref")
    return None if reference is None else reference.rpartition("/")[2]


def _row_of(options: ReadOptions, shown: Mapping[type[Any], Shown]) -> dict[str, Any]:
    """The schema of a related row, as far as it is the same there and in its own resource."""
    other = shown.get(options.model)
    if other is None:
        return _ROW
    there = other.resource.options
    is_same = all(each == there.fields.get(name, each) for name, each in options.fields.items())
    is_known = set(options.expand) <= set(there.expand)
    return {"$ref": f"#/components/schemas/{other.schema}"} if is_same and is_known else _ROW


def _collection(schemas: dict[str, Any], row: dict[str, Any]) -> dict[str, Any]:
    """The schema of several related rows, which has a name where that of a row has one."""
    name = f"{_name(row) or 'Row'}Members"
    schemas.setdefault(
        name,
        {
            "type": "object",
            "title": name,
            "description": "The first related rows, and whether there are more.",
            "properties": {
                "items": {"type": "array", "items": row},
                "has_more": {"type": "boolean"},
            },
            "required": ["items", "has_more"],
        },
    )
    return {"$ref": f"#/components/schemas/{name}"}
