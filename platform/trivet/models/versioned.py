"""Optimistic locking as a mixin."""

from typing import Any

from sqlalchemy import Integer
from sqlalchemy.orm import Mapped, Mapper, declared_attr, mapped_column


class Versioned:
    """A mixin with a version counter, so that no edit is lost.

    Every update checks the counter and increases it. An update of a row that somebody else has
    changed since it was read raises ``sqlalchemy.orm.exc.StaleDataError``, which the rooms
    answer as a conflict (409).
    """

    version: Mapped[int] = mapped_column(Integer, nullable=False)

    @declared_attr.directive
    def __mapper_args__(cls) -> dict[str, Any]:  # noqa: N805  # a declared_attr takes the class
        return {"version_id_col": cls.version}


def keep_version(mapper: Mapper[Any], mapped: type[Any]) -> None:
    """Count also where a class has a `__mapper_args__` of its own, which hides that of the mixin:
    its counter would stay a column that nobody looks at."""
    if not issubclass(mapped, Versioned) or mapper.inherits is not None:
        return
    if mapper.version_id_col is None:
        mapper.version_id_col = mapper.local_table.c["version"]
