"""The creation of a row that is all that a request does: without a session, where that is a way.

The services in `trivet_api.resource.writing` stay what every creation is; this leaves to them
whatever has to be asked of the database first, and whatever is refused.
"""

from typing import Any

from starlette.requests import Request

from trivet.context import context_of
from trivet_api.resource.answering import Written, written
from trivet_api.resource.described import Resource
from trivet_api.resource.seen import sees_all
from trivet_api.resource.writer import Values, new_row


async def create_alone(request: Request, resource: Resource, values: Values) -> Written | None:
    """Make a row and commit it; None if the service has to do it, because nothing has happened."""
    context = context_of(request.scope)
    transaction = context.require_transaction()
    if not transaction.may_insert_alone:
        return None
    write, rules, actor = resource.writing, context.platform.capture.rules, context.identity
    if write.create is not None or not write.members.keys().isdisjoint(values):
        return None
    if not sees_all(rules, actor, write.mapper, values):
        return None
    try:
        row: Any = new_row(write, values)
    except Exception:  # noqa: BLE001  # a validator's refusal, which the service puts into words
        return None
    reader = resource.reader_for(rules)
    return await transaction.insert_alone(
        row, lambda: written(row, *reader.represent_new(actor, row), is_new=True)
    )
