"""The keys of the members of rows: one statement for each many-to-many relationship.

A list has the members that the actor may see, in the order of their keys.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, bindparam, inspect, select, tuple_
from sqlalchemy.orm import aliased

from trivet_api.resource.expanding import Key, key_columns, key_of
from trivet_api.resource.members import Members
from trivet_api.resource.statements import Sight, Statements


class MemberLists:
    """Finds the members of the rows of a class."""

    def __init__(self, model: type[Any], members: Mapping[str, Members]) -> None:
        self._model = model
        self._members = members
        self._statements: Statements[Any] = Statements()

    def find(
        self, connection: Connection, sight: Sight, keys: Iterable[Key], names: Sequence[str]
    ) -> list[Mapping[Key, Any]]:
        """The lists called `names`, each by the keys of the rows that have members."""
        distinct = list(dict.fromkeys(keys))
        return [self._find(connection, sight, distinct, self._members[name]) for name in names]

    def _find(
        self, connection: Connection, sight: Sight, keys: Sequence[Key], members: Members
    ) -> Mapping[Key, Any]:
        if not keys:
            return {}
        statement, values = self._statements.find(
            members.name, sight, [members.target], lambda: self._make(sight, members)
        )
        rows = connection.execute(statement, {"keys": list(keys), **values}).all()
        width = len(inspect(self._model).primary_key)
        found: dict[Key, list[Sequence[Any]]] = {}
        for row in rows:
            found.setdefault(key_of(row[:width]), []).append(row[width:])
        return {key: members.encode_keys(each) for key, each in found.items()}

    def _make(self, sight: Sight, members: Members) -> Any:
        # The owner gets another name, as where rows are expanded.
        owner: Any = aliased(self._model)
        of_owner = [getattr(owner, each.key) for each in key_columns(self._model)]
        columns = [*of_owner, *key_columns(members.target)]
        chosen: Any = of_owner[0] if len(of_owner) == 1 else tuple_(*of_owner)
        statement = (
            select(*(column.label(f"c{at}") for at, column in enumerate(columns)))
            .select_from(owner)
            .join(members.target, getattr(owner, members.name))
            .where(chosen.in_(bindparam("keys", expanding=True, type_=chosen.type)))
        )
        visible = sight.restrict(members.target)
        return statement if visible is None else statement.where(visible)
