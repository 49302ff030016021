"""Many rows of a class in one request: all or nothing, or each with its own outcome.

The shape is that of Google's AIPs 231 to 235: ``POST /books:batchCreate`` with ``{"items": […]}``.
``atomic`` says which of the two it is, and is true unless it is said. The work is tried as one
flush first. Only where that is refused is it done row by row: to find which row it was, or, with
``"atomic": false``, to keep the others, each in a savepoint of its own.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from pydantic import BaseModel
from sqlalchemy.orm import Session

from trivet.asgi.problem import title_of
from trivet.data.errors import explain
from trivet.errors import TrivetError
from trivet.identity.identity import Identity
from trivet_api.conditions import Condition, parse_tags
from trivet_api.resource.bulk_schemas import InvalidItem
from trivet_api.resource.item_errors import ItemError, at, item
from trivet_api.resource.schemas import values_of
from trivet_api.resource.write_options import WriteOptions
from trivet_api.resource.writer import Change, Writer

Work = Callable[[Sequence[Any]], Sequence[Any]]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one row.

    Attributes:
        status: As if it had been the only one.
        row: The row; None if it was deleted or refused.
        body: Its JSON as it was then: what is done after it may change the row again.
        error: Why it is refused.
    """

    status: int
    row: Any = None
    body: bytes | None = None
    error: TrivetError | None = None

    @classmethod
    def of(cls, status: int, row: Any, write: WriteOptions) -> "Outcome":
        """The outcome of a row that was just written; of one that was deleted there is None."""
        return cls(status, row, None if row is None else write.represent(row))


def insert_batch(
    db: Session, actor: Identity, write: WriteOptions, body: BaseModel
) -> list[Outcome]:
    """Make the rows of a batch.

    Args:
        db: The session of the unit.
        actor: Who makes them.
        write: How rows of their class are written.
        body: As `batch_schema` has it.

    Returns:
        The outcomes, in the order of the items.

    Raises:
        TrivetError: With ``"atomic": true``, what the first of them is refused with; its faults
            have pointers into the body.
    """
    writer = Writer(db, actor, write)
    items = _given(body, values_of)
    batch = _Batch(writer, writer.insert, HTTPStatus.CREATED)
    return batch.run(items, is_atomic=_is_atomic(body))


def update_batch(
    db: Session, actor: Identity, write: WriteOptions, body: BaseModel
) -> list[Outcome]:
    """Change the rows of a batch; as `insert_batch`."""
    writer = Writer(db, actor, write)
    batch = _Batch(writer, writer.update, HTTPStatus.OK, "changes")
    return batch.run(_given(body, _change_of), is_atomic=_is_atomic(body))


def delete_batch(
    db: Session, actor: Identity, write: WriteOptions, body: BaseModel
) -> list[Outcome]:
    """Delete the rows of a batch; as `insert_batch`."""
    writer = Writer(db, actor, write)

    def delete(changes: Sequence[Change]) -> Sequence[None]:
        writer.delete(changes)
        return [None] * len(changes)

    batch = _Batch(writer, delete, HTTPStatus.NO_CONTENT)
    return batch.run(_given(body, _change_of), is_atomic=_is_atomic(body))


def _is_atomic(body: Any) -> bool:
    return bool(body.atomic)


def _given(body: Any, read: Callable[[Any], Any]) -> list[Any]:
    return [each if isinstance(each, InvalidItem) else read(each) for each in body.items]


def _change_of(given: Any) -> Change:
    changes = getattr(given, "changes", None)
    return Change(
        given.key,
        {} if changes is None else values_of(changes),
        condition_of_tag(given.if_match),
    )


def condition_of_tag(tag: str | None) -> Condition | None:
    """What a caller insists on who names one ETag in a body."""
    return None if tag is None else Condition(if_match=parse_tags([tag]))


class _Batch:
    """Some items of one kind, and the work that is done with several of them or with one."""

    def __init__(self, writer: Writer, work: Work, status: HTTPStatus, part: str = "") -> None:
        self.db = writer.db
        self.write = writer.write
        self.work = work
        self.status = status.value
        self.part = part

    def run(self, items: Sequence[Any], *, is_atomic: bool) -> list[Outcome]:
        """The outcome of each item. `InvalidItem` is none to work with."""
        valid = {i: each for i, each in enumerate(items) if not isinstance(each, InvalidItem)}
        found: dict[int, Outcome] = {
            i: self._refused(each.error(i))
            for i, each in enumerate(items)
            if isinstance(each, InvalidItem)
        }
        rows = self._try_all(list(valid.values()), is_atomic=is_atomic) if valid else []
        if rows is not None:
            found |= {i: self._done(row) for i, row in zip(valid, rows, strict=True)}
        else:
            found |= {i: self._try_one(i, each) for i, each in valid.items()}
        return [found[index] for index in range(len(items))]

    def _try_all(self, items: Sequence[Any], *, is_atomic: bool) -> Sequence[Any] | None:
        """The rows, made in one flush; None if each is to be tried by itself."""
        try:
            with self.db.begin_nested():
                return self.work(items)
        except Exception as error:
            known = self._known(error)
            if not is_atomic:
                return None
            if not isinstance(known, ItemError):
                known = self._find(items) or known
            raise self._located(known) from error

    def _find(self, items: Sequence[Any]) -> ItemError | None:
        """Which of `items` is refused. Nothing of this is kept, because the whole is refused."""
        for index, each in enumerate(items):
            try:
                with item(index):
                    self.work([each])
            except ItemError as error:
                return ItemError(index, error.error)
        return None

    def _try_one(self, index: int, given: Any) -> Outcome:
        try:
            with self.db.begin_nested():
                return self._done(self.work([given])[0])
        except Exception as error:  # noqa: BLE001  # what nobody is told is raised again
            known = self._known(error)
            told = known.error if isinstance(known, ItemError) else known
            return self._refused(self._located(ItemError(index, told)))

    def _known(self, error: Exception) -> ItemError | TrivetError:
        """What the caller is told. A fault of ours, and a database that cannot serve now, end the
        whole."""
        told = error.error if isinstance(error, ItemError) else explain(error)
        if told is None:
            raise error
        if told.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise told from error
        return error if isinstance(error, ItemError) else told

    def _located(self, error: ItemError | TrivetError) -> TrivetError:
        if not isinstance(error, ItemError):
            return error
        is_about_key = error.error.status in _ABOUT_THE_KEY and not error.error.data.get("errors")
        part = "key" if is_about_key else self.part
        return at(error.error, "items", error.index, part=part)

    def _done(self, row: Any) -> Outcome:
        return Outcome.of(self.status, row, self.write)

    @staticmethod
    def _refused(error: TrivetError) -> Outcome:
        return Outcome(error.status.value, error=error)


_ABOUT_THE_KEY = {HTTPStatus.NOT_FOUND, HTTPStatus.PRECONDITION_FAILED}


def problem_of(error: TrivetError) -> Mapping[str, Any]:
    """A refusal as the problem document of an outcome."""
    return {
        "type": "about:blank",
        "title": title_of(error.status),
        "status": error.status.value,
        "code": error.code,
        "detail": error.detail,
        **error.data,
    }
