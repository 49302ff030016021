"""The kinds of observers: of rows that people name, and of the links between them."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django.db import NotSupportedError
from django.db.models.constants import OnConflict

from trivet_admin.backends.row_observer import Insert, Listener, Observer, Rows

Ends = set[tuple[Any, Any]]
"""Links: the key of the object that has the relation, and the key of what it is linked to."""


class RowObserver(Observer):
    """Tells the rows (`Rows`) that differ, as they were and as they are."""

    def insert(self, compiler: Any, returning: Sequence[Any], write: Insert) -> list[Any]:
        """Tell of an insert. Raises NotSupportedError if it ignores or updates conflicts, because
        it then cannot be known which rows it created or changed."""
        if compiler.query.on_conflict is not None:
            raise NotSupportedError(
                f"{self.model._meta.verbose_name_plural} are created in bulk without "
                "ignore_conflicts and update_conflicts, because these do not tell which rows "
                "they created or changed; save them one by one"
            )
        rows, keys = self.write_and_find(returning, write)
        self.changed({}, self.read_keys(keys))
        return rows

    def write_and_find(
        self, returning: Sequence[Any], write: Insert
    ) -> tuple[list[Any], list[Any]]:
        """Send an insert: what the caller wants of its rows, and their primary keys. A row that
        was passed over for a conflict is among neither."""
        count = len(self.key_fields)
        rows = [row for row in write([*returning, *self.key_fields]) if row is not None]
        keys = [self.key_in(row[-count:]) for row in rows]
        return [row[:-count] for row in rows] if returning else [], keys

    def changed(self, before: Rows, after: Rows) -> None:
        differ = {key for key in before | after if before.get(key) != after.get(key)}
        was, now = (
            {key: row for key, row in rows.items() if key in differ} for rows in (before, after)
        )
        self.tell(was, now)


class EveryRowObserver(RowObserver):
    """As `RowObserver`, for models of other people, whose code may ignore or update conflicts: the
    database says which rows it created or changed, and what they were is read before."""

    def insert(self, compiler: Any, returning: Sequence[Any], write: Insert) -> list[Any]:
        query = compiler.query
        present: Rows = {}
        if query.on_conflict is OnConflict.UPDATE:
            names = [field.attname for field in query.unique_fields]
            given = {f"{n}__in": [getattr(each, n) for each in query.objs] for n in names}
            present = self.read(**given)
        rows, keys = self.write_and_find(returning, write)
        after = self.read_keys(keys)
        self.changed({key: present[key] for key in after if key in present}, after)
        return rows


class PresentRowObserver(RowObserver):
    """Tells of the rows that exist already, and not of new ones.

    Other ways to write the table stay open: after each migration Django creates permissions by
    models of the migrations' own, which are not observed.
    """

    is_sole_way = False

    def insert(self, compiler: Any, returning: Sequence[Any], write: Insert) -> list[Any]:
        """Raises NotSupportedError for conflicts that change what is there."""
        if compiler.query.on_conflict is OnConflict.UPDATE:
            raise NotSupportedError(
                f"{self.model._meta.verbose_name_plural} are created in bulk without "
                "update_conflicts, for it has to be known what became of each; update what is there"
            )
        return write(returning)


class LinkObserver(Observer):
    """Tells the links (`Ends`) of `relation`, a many-to-many field, that were taken, and those
    that were given, whichever of its ends was in hand."""

    def __init__(self, relation: Any, listeners: Iterable[Listener]) -> None:
        through = relation.remote_field.through
        super().__init__(through, listeners)
        ends = (relation.m2m_field_name(), relation.m2m_reverse_field_name())
        self._fields = [through._meta.get_field(name) for name in ends]
        self._source, self._target = (field.attname for field in self._fields)

    def insert(self, compiler: Any, returning: Sequence[Any], write: Insert) -> list[Any]:
        """Rows that are linked already are passed over, as Django's relations do.

        Raises NotSupportedError if an end is an expression, whose worth only the database knows.
        """
        wanted = {self._ends(self._given(vars(each))) for each in compiler.query.objs}
        before = self._between(wanted)
        rows = write(returning)
        self.changed(before, self._between(wanted))
        return rows

    def changed(self, before: Rows, after: Rows) -> None:
        was, now = ({self._ends(row) for row in rows.values()} for rows in (before, after))
        self.tell(was - now, now - was)

    def _given(self, row: Mapping[str, Any]) -> Mapping[str, Any]:
        """The ends as the database returns them: Django takes the key "1" for 1."""
        found = {}
        for field in self._fields:
            value = row[field.attname]
            if hasattr(value, "resolve_expression"):
                raise NotSupportedError(
                    f"{field.attname} of a new {self.model.__name__} is a plain key and no "
                    "expression, for it has to be known what is linked; read the key first"
                )
            key = field.target_field
            found[field.attname] = key.to_python(key.get_prep_value(value))
        return found

    def _ends(self, row: Mapping[str, Any]) -> tuple[Any, Any]:
        return row[self._source], row[self._target]

    def _between(self, wanted: Ends) -> Rows:
        sources, targets = ({ends[side] for ends in wanted} for side in (0, 1))
        found = self.read(**{f"{self._source}__in": sources, f"{self._target}__in": targets})
        return {key: row for key, row in found.items() if self._ends(row) in wanted}
