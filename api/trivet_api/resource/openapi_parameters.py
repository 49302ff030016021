"""The words of query strings as OpenAPI describes parameters."""

from collections.abc import Sequence
from typing import Any

from pydantic import TypeAdapter

from trivet_api.resource import text_values
from trivet_api.resource.filters import FilterWord
from trivet_api.resource.operators import CONTAINS, NULL, STARTSWITH

_TEXT = {"type": "string", "minLength": 1, "maxLength": text_values.LONGEST}


def of_filter(word: FilterWord) -> dict[str, Any]:
    """A filter. One that takes several values is repeated, ``status=new&status=open``."""
    schema = _schema_of(word)
    path = word.name.removesuffix(f".{word.operator.name}")
    found: dict[str, Any] = {
        "name": word.name,
        "in": "query",
        "required": False,
        "description": f"Rows whose `{path}` {word.operator.words}.",
        "schema": schema,
    }
    if word.operator.takes_many:
        found["schema"] = {"type": "array", "items": schema, "minItems": 1}
        found |= {"style": "form", "explode": True}
    return found


def _schema_of(word: FilterWord) -> dict[str, Any]:
    if word.operator is NULL:
        return {"type": "boolean"}
    if word.operator in (CONTAINS, STARTSWITH):
        return dict(_TEXT)
    return schema_of(word.field.annotation)


def schema_of(annotation: Any) -> dict[str, Any]:
    """The JSON schema of a value, whole in itself."""
    schema = dict(TypeAdapter(annotation).json_schema(mode="validation"))
    definitions = schema.pop("$defs", {})
    reference = schema.pop("$ref", None)
    if reference is not None:
        schema = {**definitions[reference.rpartition("/")[2]], **schema}
    schema.pop("examples", None)
    schema.pop("title", None)
    schema.pop("description", None)
    return schema


_SAID = {
    "sort": "The order: columns, `-` before one for the opposite direction. Null counts as the "
    "greatest value.",
    "fields": "The attributes to show; all of them without it.",
    "expand": "Related rows to show inside the rows.",
    "search": 'Words to look for; `"a phrase"`, `or`, and `-` before what must not be there.',
    "count": "Count the rows of the whole list: exactly, or as the database expects.",
    "groups": "Count the rows of the whole list by the values of these attributes.",
    "limit": "The number of rows of a page.",
    "cursor": "`next_cursor` or `previous_cursor` of a page of the same list.",
}
_SEARCH_LONGEST = 200


def of_live(channel: str) -> dict[str, Any]:
    """The word that asks for the position of a channel."""
    return {
        "name": "live",
        "in": "query",
        "required": False,
        "description": f"Answer with `epoch` and `offset` of the channel `{channel}` as it was "
        "when the rows were read: who subscribes from there misses nothing and gets nothing twice.",
        "schema": {"type": "boolean", "default": False},
    }


def of_word(name: str, choices: Sequence[str], page: int, page_max: int) -> dict[str, Any]:
    """A word that is no filter; `choices` are the names that it takes."""
    found: dict[str, Any] = {
        "name": name,
        "in": "query",
        "required": False,
        "description": _SAID[name],
    }
    if name == "limit":
        bounds = {"minimum": 1, "maximum": page_max, "default": page}
        return found | {"schema": {"type": "integer", **bounds}}
    if name == "count":
        return found | {"schema": {"type": "string", "enum": list(choices)}}
    if name == "cursor":
        return found | {"schema": {"type": "string"}}
    if name == "search":
        return found | {"schema": {"type": "string", "minLength": 1, "maxLength": _SEARCH_LONGEST}}
    names = list(choices)
    if name == "sort":
        names = [each for choice in choices for each in (choice, f"-{choice}")]
    items = {"type": "string", "enum": names}
    schema = {"type": "array", "items": items, "minItems": 1, "uniqueItems": True}
    return found | {"schema": schema, "style": "form", "explode": False}
