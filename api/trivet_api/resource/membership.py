"""The members of a many-to-many relationship, set as a list of keys."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import ScalarResult, inspect, select
from sqlalchemy.orm import Mapper, Session
from sqlalchemy.orm.collections import collection_adapter

from trivet.data.violation import say
from trivet.errors import Conflict, Invalid, TrivetError
from trivet.identity.identity import Identity
from trivet.models.labels import noun_of
from trivet.models.row_keys import key_text
from trivet_api.resource.item_errors import ItemError
from trivet_api.resource.key_matching import Key, matched
from trivet_api.resource.members import Members
from trivet_api.resource.seen import condition_of, having, key_attributes

Found = Mapping[tuple[Any, ...], Any]
"""Members by their primary keys."""

KEYS_ASKED = 1000
"""In one statement: each is a parameter, and a database counts them."""


class Membership:
    """The members of one relationship, as one actor sets them."""

    def __init__(self, db: Session, actor: Identity, members: Members) -> None:
        self.db = db
        self.members = members
        self.mapper: Mapper[Any] = inspect(members.target)
        self.condition = condition_of(db, actor, members.target)

    def find(self, rows: Sequence[Mapping[str, Any]]) -> Found:
        """The members that `rows` name, by their keys.

        Raises:
            ItemError: With the first that is not there, or that the actor does not see, or that a
                list names twice.
        """
        given = [
            (index, place, _read(self.members, index, place, key))
            for index, row in enumerate(rows)
            for place, key in enumerate(row.get(self.members.name) or ())
        ]
        found = self._load({key for _, _, key in given})
        seen: set[tuple[int, tuple[Any, ...]]] = set()
        for index, place, key in given:
            if key not in found:
                raise ItemError(index, _missing(self.members, place, key))
            own = index, self._identity(found[key])
            if own in seen:
                raise ItemError(index, _twice(self.members, place))
            seen.add(own)
        return found

    def replace(self, row: Any, keys: Iterable[Any], found: Found) -> None:
        """Make those with `keys` the members of `row`, beside those that the actor does not see."""
        named = [found[self.members.read(key)] for key in keys]
        wanted = {self._identity(each): each for each in named}
        adapter: Any = collection_adapter(getattr(row, self.members.name))
        present = {self._identity(each): each for each in adapter}
        for key in self._visible([key for key in present if key not in wanted]):
            adapter.remove_with_event(present[key])
        for key in sorted(wanted.keys() - present.keys(), key=key_text):
            adapter.append_with_event(wanted[key])

    def _load(self, keys: set[Key]) -> dict[Key, Any]:
        every = list(keys)
        found: dict[Key, Any] = {}
        for start in range(0, len(every), KEYS_ASKED):
            some = every[start : start + KEYS_ASKED]
            rows = {self._identity(each): each for each in self._named(some)}
            found.update(matched(some, rows, lambda key: next(iter(self._named([key])), None)))
        return found

    def _named(self, keys: Sequence[Key]) -> ScalarResult[Any]:
        query = select(self.members.target).where(having(self.mapper, keys))
        if self.condition is not None:
            query = query.where(self.condition)
        return self.db.scalars(query)

    def _visible(self, keys: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
        if self.condition is None or not keys:
            return keys
        query = select(*key_attributes(self.mapper)).where(having(self.mapper, keys))
        with self.db.no_autoflush:
            seen = {tuple(each) for each in self.db.execute(query.where(self.condition))}
        return [key for key in keys if key in seen]

    def _identity(self, member: Any) -> tuple[Any, ...]:
        return tuple(self.mapper.primary_key_from_instance(member))


def _read(members: Members, index: int, place: int, key: Any) -> tuple[Any, ...]:
    try:
        return members.read(key)
    except ValueError:
        raise ItemError(index, _missing(members, place, (key,))) from None


def _missing(members: Members, place: int, key: tuple[Any, ...]) -> TrivetError:
    mapper: Any = inspect(members.target)
    columns: Any = mapper.primary_key
    told = say(key_text(key), columns)
    sentence = f"there is no {noun_of(mapper.local_table)} {told}".strip()
    errors = [{"pointer": f"/{members.name}/{place}", "detail": sentence}]
    return Conflict("integrity", f"{sentence[:1].upper()}{sentence[1:]}.", errors=errors)


def _twice(members: Members, place: int) -> TrivetError:
    fault: Any = {"pointer": f"/{members.name}/{place}", "detail": "it stands here twice"}
    return Invalid("invalid", "The request does not fit. See errors.", errors=[fault])
