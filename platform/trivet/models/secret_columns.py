"""The columns whose values never leave: they say so in their ``info``, or in the words of
Pydantic, where a mapped class is a model of its (SQLModel)."""

from typing import Any

from sqlalchemy import ColumnElement


def is_secret(column: ColumnElement[Any]) -> bool:
    """Whether the values of `column` are shown to nobody: the audit trail redacts them, or
    ``info={"secret": True}``."""
    info = getattr(column, "info", {})
    return info.get("audit") == "redacted" or bool(info.get("secret"))


def is_excluded(mapped: type[Any], name: str) -> bool:
    """Whether a mapped class that is a model of Pydantic's leaves the attribute `name` out of what
    it writes: ``Field(exclude=True)``."""
    fields = getattr(mapped, "model_fields", None)
    known = fields.get(name) if isinstance(fields, dict) else None
    return getattr(known, "exclude", None) is True
