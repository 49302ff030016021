"""Optimistic locking as a mixin."""

from typing import Any

from sqlalchemy import Integer
from sqlalchemy.orm import Mapped, declared_attr, mapped_column


class Versioned:
    """A mixin: a counter that every update checks and raises, so that no edit is lost.

    An update of a row whose version moved on since it was read raises
    sqlalchemy.orm.exc.StaleDataError, which the rooms render as a conflict.
    """

    version: Mapped[int] = mapped_column(Integer, nullable=False)

    @declared_attr.directive
    def __mapper_args__(cls) -> dict[str, Any]:  # noqa: N805  # a declared_attr takes the class
        return {"version_id_col": cls.version}
