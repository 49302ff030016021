"""The columns whose values never leave: they say so in their ``info``."""

from typing import Any

from sqlalchemy import ColumnElement


def is_secret(column: ColumnElement[Any]) -> bool:
    """Whether the values of `column` are shown to nobody: the audit trail redacts them, or
    ``info={"secret": True}``."""
    info = getattr(column, "info", {})
    return info.get("audit") == "redacted" or bool(info.get("secret"))
