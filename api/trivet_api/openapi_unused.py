"""What a document names and nothing in it uses: of a schema a generator of clients makes a class,
of a tag a page of documentation makes a group with nothing in it."""

from typing import Any


def leave_out_unused(document: dict[str, Any]) -> None:
    """Take out the schemas to which nothing leads (Pydantic has one of every enum of Python's, also
    where a value is written otherwise), and the tags that no operation has."""
    _leave_out_schemas(document)
    operations = [each for path in document["paths"].values() for each in path.values()]
    used = {tag for operation in operations for tag in operation.get("tags", ())}
    if "tags" in document:
        document["tags"] = [tag for tag in document["tags"] if tag["name"] in used]


def _leave_out_schemas(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    rest = {**document, "components": {**document["components"], "schemas": {}}}
    found: set[str] = set()
    left = _named_in(rest)
    while left:
        found |= left
        left = {name for each in left for name in _named_in(schemas.get(each))} - found
    for name in schemas.keys() - found:
        del schemas[name]


def _named_in(value: Any) -> set[str]:
    """The schemas that `value` refers to."""
    match value:
        case {"$ref": str() as reference}:
            return {reference.removeprefix("#/components/schemas/")}
        case dict():
            return {name for each in value.values() for name in _named_in(each)}
        case list():
            return {name for each in value for name in _named_in(each)}
        case _:
            return set()
