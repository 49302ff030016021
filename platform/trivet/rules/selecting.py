"""The rows that an actor sees, for services: what a service reads is its own affair, unless it
reads for its caller."""

from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Select, select
from sqlalchemy.orm import Session

from trivet.errors import ConfigurationError
from trivet.identity.identity import Identity
from trivet.rules.conditions import whole

M = TypeVar("M")


def select_visible(db: Session, actor: Identity, model: type[M]) -> Select[M]:
    """A query for the rows of a class that somebody sees.

    Args:
        db: The session of the unit of work.
        actor: Who reads. Its rules are those of the features that the session knows.
        model: A mapped class, or an alias of one.

    Returns:
        ``select(model)`` with the condition of the rules; add to it what you like.

    Raises:
        ConfigurationError: A rule returned no condition; or the session is none of Trivet's.
    """
    return select(model).where(visible_condition(db, actor, model))


def visible_condition(db: Session, actor: Identity, model: Any) -> ColumnElement[bool]:
    """The condition of the rules of visibility, for the ``where()`` of any query.

    Args:
        db: The session of the unit of work.
        actor: Who reads.
        model: A mapped class, or an alias of one, that the query selects from.

    Returns:
        The condition; true where no rule restricts the actor.

    Raises:
        ConfigurationError: A rule returned no condition; or the session is none of Trivet's.
    """
    rules = getattr(getattr(db, "capture", None), "rules", None)
    if rules is None:
        raise ConfigurationError(
            "rule", f"A {type(db).__name__} knows no rules: use the session of a unit of work."
        )
    return whole(rules.visible_condition(model, actor))
