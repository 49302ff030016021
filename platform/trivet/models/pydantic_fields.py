"""What a mapped class that is a model of Pydantic's (SQLModel) says of its attributes."""

from typing import Any

from pydantic.fields import FieldInfo


def find_pydantic_field(mapped: type[Any], name: str) -> FieldInfo | None:
    """Pydantic's words about the attribute `name`; None where it has none."""
    fields = getattr(mapped, "model_fields", None)
    found = fields.get(name) if isinstance(fields, dict) else None
    return found if isinstance(found, FieldInfo) else None
