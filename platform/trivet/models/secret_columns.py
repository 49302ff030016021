"""The columns whose values never leave: they say so in their ``info``.

What the database makes of one leaves as little, unless its author says that it may:
``info={"secret": False}``.
"""

from typing import Any

from sqlalchemy import ColumnElement

from trivet.models.derived_columns import columns_in


def is_secret(column: ColumnElement[Any]) -> bool:
    """Whether the values of `column` are shown to nobody: the audit trail redacts them, or
    ``info={"secret": True}``; or it is made of such a column."""
    said = said_of(getattr(column, "info", {}))
    return any(map(is_secret, columns_in(column))) if said is None else said


def said_of(info: Any) -> bool | None:
    """Whether an ``info`` says that values are secret; None if it says nothing of it."""
    if info.get("audit") == "redacted" or info.get("secret"):
        return True
    return False if info.get("secret") is False else None
