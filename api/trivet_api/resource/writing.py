"""The writing of a resource: plain services over a session, run by a unit of work.

They write through the ORM, so that rules judge what they do, the trail notes it and feeds tell of
it, as of any other change. What they add is what a door owes: a row is locked before the caller's
condition is compared with it, and nobody changes, refers to, or leaves behind a row that is not
theirs to see.
"""

from typing import Any

from sqlalchemy.orm import Session

from trivet.identity.identity import Identity
from trivet_api.conditions import Condition
from trivet_api.resource.item_errors import only_item
from trivet_api.resource.write_options import WriteOptions, write_options
from trivet_api.resource.writer import Change, Values, Writer

__all__ = [
    "Change",
    "WriteOptions",
    "delete_row",
    "insert_row",
    "update_row",
    "write_options",
]


def insert_row(db: Session, actor: Identity, write: WriteOptions, values: Values) -> Any:
    """Make a row.

    Args:
        db: The session of the unit.
        actor: Who makes it.
        write: How rows of its class are written.
        values: The values of its attributes, those that were sent.

    Returns:
        The row, stored.

    Raises:
        Conflict: A row that it refers to is not there, or the actor does not see it; or the present
            data refuses it (409).
        Invalid: A value does not fit (422).
        Forbidden: The actor would not see it (403).
    """
    with only_item():
        return Writer(db, actor, write).insert([values])[0]


def update_row(
    db: Session,
    actor: Identity,
    write: WriteOptions,
    key: str,
    changes: Values,
    *,
    condition: Condition | None = None,
) -> Any:
    """Change a row. Where nothing is another than it was, nothing is written.

    Args:
        db: The session of the unit.
        actor: Who changes it.
        write: How rows of its class are written.
        key: The text of its key.
        changes: The new values of its attributes, those that were sent.
        condition: What the caller insists on; it is judged under the row's lock.

    Returns:
        The row, stored.

    Raises:
        NotFound: There is no such row, or the actor does not see it (404).
        PreconditionFailed: It is another than the caller insists on (412).
        Conflict, Invalid, Forbidden: As for `insert_row`.
    """
    with only_item():
        return Writer(db, actor, write).update([Change(key, changes, condition)])[0]


def delete_row(
    db: Session,
    actor: Identity,
    write: WriteOptions,
    key: str,
    *,
    condition: Condition | None = None,
) -> None:
    """Delete a row.

    Args:
        db: The session of the unit.
        actor: Who deletes it.
        write: How rows of its class are written.
        key: The text of its key.
        condition: What the caller insists on; it is judged under the row's lock.

    Raises:
        NotFound: There is no such row, or the actor does not see it (404).
        PreconditionFailed: It is another than the caller insists on (412).
        Conflict: Other rows refer to it (409).
    """
    with only_item():
        Writer(db, actor, write).delete([Change(key, condition=condition)])
