"""A list that is asked for, and the conditions of its rows: for the page, and for its counts."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from trivet.models.search_tables import SearchTable
from trivet_api.resource.filters import conditions_of, models_of, parameters_of
from trivet_api.resource.options import ReadOptions
from trivet_api.resource.paging import Position
from trivet_api.resource.parameters import Parameters, Query
from trivet_api.resource.sorting import SortKey
from trivet_api.resource.statements import Sight


@dataclass(eq=False)
class Asked:
    """What one actor asks of a resource, and all that was worked out about it. `channel` is the one
    whose position is wanted."""

    options: ReadOptions
    parameters: Parameters
    query: Query
    sight: Sight
    is_postgresql: bool
    position: Position | None = None
    channel: str = ""
    is_indexed: bool = False

    @property
    def model(self) -> type[Any]:
        """The class of the rows."""
        return self.options.model

    @cached_property
    def hidden(self) -> frozenset[str]:
        """The attributes of the class that the actor may not see."""
        return self.sight.hidden(self.model)

    @cached_property
    def keys(self) -> tuple[SortKey, ...]:
        """The order."""
        return self.parameters.sorting.keys(self.query.sort, self.hidden)

    @cached_property
    def models(self) -> Sequence[type[Any]]:
        """The classes whose restrictions stand in the conditions."""
        return [self.model, *models_of(self.query.filters)]

    @property
    def lists(self) -> Sequence[str]:
        """The lists of members that are shown."""
        expanded = [each.name for each in self.query.expand]
        return self.options.lists(self.hidden, self.query.fields, expanded)

    @property
    def purpose(self) -> str:
        """What a cursor is bound to: the list, its order and its filters."""
        order = ",".join(key.word for key in self.keys)
        return f"{self.model.__module__}.{self.model.__qualname__}?{order}&{self.query.asked}"

    @property
    def shape(self) -> Hashable:
        """What decides the text of the conditions, beside the restrictions."""
        search = self.query.search
        filters = tuple(each.shape for each in self.query.filters)
        searched = None if search is None else (self.is_indexed, search.shape)
        return self.hidden, filters, searched

    @property
    def search_table(self) -> SearchTable | None:
        """The table in which SQLite would look, if the database has it."""
        if self.query.search is None or self.is_postgresql:
            return None
        return self.parameters.searching.find_table(self.hidden)

    def conditions(self) -> Sequence[Any]:
        """The conditions of the rows, with parameters."""
        found: list[Any] = list(conditions_of(self.query.filters, self.sight.restrict))
        if self.query.search is not None:
            searching = self.parameters.searching
            found.append(
                searching.condition(
                    self.query.search,
                    self.hidden,
                    is_postgresql=self.is_postgresql,
                    is_indexed=self.is_indexed,
                )
            )
        if (visible := self.sight.restrict(self.model)) is not None:
            found.append(visible)
        return found

    def values(self) -> dict[str, Any]:
        """The values of the parameters in `conditions`, without those of the restrictions."""
        found = parameters_of(self.query.filters)
        return found if self.query.search is None else found | self.query.search.parameters()
