"""An upsert by a named unique constraint: a row is made, or the one that is there is changed.

The database's own ON CONFLICT would do it in one statement that no flush sees: no rule, no trail,
no feed. So the row is looked for and changed under its lock, or made in a savepoint. Where somebody
else has made it meanwhile, the constraint says so, and it is looked for again.
"""

from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from trivet.data.violation import Violation
from trivet.data.violations import find_violation
from trivet.errors import Invalid, NotFound, TrivetError, Unavailable, errors_at
from trivet.identity.identity import Identity
from trivet.models.row_keys import key_text
from trivet_api.conditions import Condition
from trivet_api.resource.item_errors import item, only_item
from trivet_api.resource.seen import among, key_attributes
from trivet_api.resource.write_options import WriteOptions
from trivet_api.resource.writer import Change, Values, Writer


def upsert_row(
    db: Session,
    actor: Identity,
    write: WriteOptions,
    values: Values,
    *,
    condition: Condition | None = None,
) -> tuple[Any, bool]:
    """Make a row, or change the one that has the same values in the unique constraint.

    Two at once make one row: the one that comes later finds what the other has made.

    Args:
        db: The session of the unit.
        actor: Who makes or changes it.
        write: How rows of its class are written, `unique` included.
        values: The values of its attributes, those that were sent.
        condition: What the caller insists on. If-Match wants a row that is there, and If-None-Match
            with ``*`` one that is not.

    Returns:
        The row, stored, and whether it is new.

    Raises:
        Invalid: A value of the constraint is missing, or a value does not fit (422).
        PreconditionFailed: The row is another than the caller insists on (412).
        Conflict, Forbidden: As for `insert_row`. A row that is there and that the actor does not
            see is a conflict, as at a creation.
    """
    missing = [name for name in write.unique if values.get(name) is None]
    if missing:
        raise Invalid(
            "invalid",
            "The request does not fit. See errors.",
            errors=errors_at(missing, "a value is needed, by which the row is known"),
        )
    return _Upsert(Writer(db, actor, write), values, condition or Condition()).run()


def known_by(
    db: Session, actor: Identity, write: WriteOptions, values: Values
) -> tuple[Any, ...] | None:
    """The values by which an upsert with `values` looks for its row; None if one is missing.

    Raises:
        Invalid: A value does not fit (422).
    """
    if any(values.get(name) is None for name in write.unique):
        return None
    return _Upsert(Writer(db, actor, write), values, Condition()).known()


MOST_ATTEMPTS = 3
"""A row that others make and delete all the while is none to insist on."""


class _Upsert:
    def __init__(self, writer: Writer, values: Values, condition: Condition) -> None:
        self.writer = writer
        self.values = values
        self.condition = condition
        self.names = writer.write.unique

    def run(self) -> tuple[Any, bool]:
        for _ in range(MOST_ATTEMPTS):
            key = self._find_key()
            if key is None:
                self.condition.require(None)
            row = self._make() if key is None else self._change(key)
            if row is not None:
                return row, key is None
        raise Unavailable("upsert", "Others make and delete this all the while. Try again.")

    def _find_key(self) -> tuple[Any, ...] | None:
        """The key of the row that has the values of the constraint, whoever sees it."""
        attributes = [getattr(self.writer.write.model, name) for name in self.names]
        same = among(attributes, [self.known()])
        query = select(*key_attributes(self.writer.mapper)).where(same)
        found = self.writer.db.execute(query).one_or_none()
        return None if found is None else tuple(found)

    def known(self) -> tuple[Any, ...]:
        """The values of the constraint."""
        stored = self._as_stored()
        return tuple(stored[name] for name in self.names)

    def _as_stored(self) -> Values:
        """The values of the constraint as a row would have them: what a validator makes of a value
        is what is in the table."""
        writer = self.writer
        with only_item(), item(0):
            fitted = writer.fitted(self.values, 0)
            row = writer.mapper.class_manager.new_instance()  # which no session ever sees
            for name, value in fitted.items():
                setattr(row, name, value)
            return writer.fitted({name: getattr(row, name) for name in self.names}, 0)

    def _make(self) -> Any:
        """The new row; None if somebody else has made it meanwhile."""
        try:
            with only_item(), self.writer.db.begin_nested():
                return self.writer.insert([self.values])[0]
        except Exception as error:
            if self._is_of_constraint(error):
                return None
            raise

    def _change(self, key: tuple[Any, ...]) -> Any:
        """The changed row; None if somebody else has deleted it meanwhile."""
        writer = self.writer
        fixed = {*self.names, *(each.key for each in key_attributes(writer.mapper))}
        changes = {name: value for name, value in self.values.items() if name not in fixed}
        try:
            with only_item():
                return writer.update([Change(key_text(key), changes, self.condition)])[0]
        except NotFound:
            if self._find_key() is None:
                return None
            raise self._taken() from None

    def _taken(self) -> TrivetError:
        """The refusal of a row like one that the actor does not see, as a creation has it."""
        attributes = [getattr(self.writer.write.model, name) for name in self.names]
        columns = tuple(each.property.columns[0] for each in attributes)
        return Violation("unique", columns[0].table, columns).error()

    def _is_of_constraint(self, error: BaseException) -> bool:
        """Whether the database refused a second row with the same values in the constraint."""
        violation = find_violation(error)
        if violation is None or violation.kind != "unique":
            return False
        by_column = self.writer.mapper.get_property_by_column
        return {by_column(column).key for column in violation.columns} == {*self.names}
