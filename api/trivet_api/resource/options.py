"""What a resource shows, and how it may be asked: the part of its declaration that reads."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from trivet_api.resource.fields import Field
from trivet_api.resource.members import Members

PAGE = 50
PAGE_MAX = 200


@dataclass(frozen=True, slots=True, eq=False)
class ReadOptions:
    """What readers may see and ask of the rows of a class.

    Attributes:
        model: The mapped class.
        fields: The readable attributes by their names, in their order.
        members: The many-to-many relationships that are shown as lists of keys.
        filters: The attributes to filter by, those of related classes with dots
            (``author.name``); ``*`` stands for all of the class's own. None is ``("*",)``.
        sorts: The attributes to sort by. None is the key, and the columns with which an index
            begins.
        expand: The relationships that can be shown inside a row, each with its own options.
        search: The attributes in which ``search`` looks.
        default_sort: The order of a list where nobody asks for one (``("-price", "title")``).
            The key always comes last; None is the key alone.
        page: The number of rows of a page.
        page_max: The largest number that a client may ask for.
        has_policy: Whether somebody said who may read. Then that holds also for the rows of related
            classes that have no address of their own.
    """

    model: type[Any]
    fields: Mapping[str, Field]
    filters: tuple[str, ...] | None = None
    sorts: tuple[str, ...] | None = None
    expand: Mapping[str, "ReadOptions"] = field(default_factory=dict)
    search: tuple[str, ...] = ()
    default_sort: tuple[str, ...] | None = None
    page: int = PAGE
    page_max: int = PAGE_MAX
    members: Mapping[str, Members] = field(default_factory=dict)
    has_policy: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all that a row shows."""
        return (*self.fields, *self.members)

    def shown(self, hidden: frozenset[str], chosen: tuple[str, ...] | None) -> Sequence[Field]:
        """The fields that an actor sees from whom `hidden` are hidden; only those of `chosen`, if
        there are any."""
        names = self.fields if chosen is None else chosen
        return [self.fields[name] for name in names if name in self.fields and name not in hidden]

    def lists(
        self,
        hidden: frozenset[str],
        chosen: tuple[str, ...] | None = None,
        expanded: Collection[str] = (),
    ) -> tuple[str, ...]:
        """The same for the lists of members; where one is `expanded`, its rows stand there."""
        return tuple(
            name
            for name in self.members
            if name not in hidden and name not in expanded and (chosen is None or name in chosen)
        )
