"""The tables that feed channels; `trivet.capture.tables` guards them."""

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Table, inspect
from sqlalchemy.orm import Mapper, configure_mappers

from trivet.capture.following import follow
from trivet.capture.tables import CapturedTables, CaptureReason, associations_of

_FED = CaptureReason("feeds channels", "that no channel hears of")


class FedTables(CapturedTables):
    """The tables of `models`: their own, those of the classes they inherit from and of their
    subclasses, and the association tables of their relationships."""

    def __init__(self, models: Iterable[type]) -> None:
        mappers = family_of(models)
        super().__init__(
            (table for each in mappers for table in each.tables if isinstance(table, Table)),
            (table for each in mappers for table, _ in associations_of(each)),
        )


def follow_fed(models: Iterable[type]) -> None:
    """Have sessions do first what the database would do to rows of `models` by itself."""
    configure_mappers()  # relationships know each other only after this
    follow(family_of(models), _FED)


def family_of(models: Iterable[type]) -> set[Mapper[Any]]:
    """The mappers of `models` and of their subclasses, whose rows feed the same channels."""
    mappers: Iterable[Mapper[Any]] = map(inspect, models)
    return {each for mapper in mappers for each in mapper.self_and_descendants}
