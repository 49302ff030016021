"""Operations on several resources in one request and one transaction: all of them, or none.

``POST /api/batch`` takes them in their order, each of a resource by its address below the API. What
an operation before has made can be referred to, because its key is not known to whoever sends all
at once: in the place of a value, or of one of a list, ``{"$result": [0, "id"]}`` is the ``id`` of
what the first operation has answered.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError
from sqlalchemy.orm import Session

from trivet.data.errors import explain
from trivet.errors import Invalid, NotFound, TrivetError
from trivet.identity.identity import Identity
from trivet.identity.policy import Policy
from trivet.suggestion import did_you_mean
from trivet_api.problems import describe_all
from trivet_api.resource.bulk import Outcome, condition_of_tag
from trivet_api.resource.bulk_schemas import LONGEST_KEY
from trivet_api.resource.fields import Field as ColumnField
from trivet_api.resource.fields import fields_of
from trivet_api.resource.item_errors import at
from trivet_api.resource.schemas import values_of
from trivet_api.resource.seen import require_creatable, rules_of
from trivet_api.resource.upserting import known_by, upsert_row
from trivet_api.resource.write_options import WriteOptions
from trivet_api.resource.writer import Writer
from trivet_api.resource.writing import delete_row, insert_row, update_row

MOST_OPERATIONS = 200
"""More are not taken in one request."""
RESULT = "$result"
"""The name of a reference to what an operation before has made."""

Verb = Literal["create", "update", "delete", "upsert"]


class BatchOperation(BaseModel):
    """One of several operations."""

    model_config = ConfigDict(extra="forbid")

    operation: Verb
    resource: str = Field(
        max_length=LONGEST_KEY,
        description="The address of the resource below the API.",
        examples=["library/books"],
    )
    key: str | None = Field(
        None, max_length=LONGEST_KEY, description="Of the row to change or to delete."
    )
    values: dict[str, JsonValue] = Field(
        default_factory=dict, description="As the body of the operation by itself."
    )
    if_match: str | None = Field(None, description="The row's ETag as you read it.")


class Batch(BaseModel):
    """Several operations, of which all are done or none."""

    model_config = ConfigDict(extra="forbid")

    operations: list[BatchOperation] = Field(min_length=1, max_length=MOST_OPERATIONS)


@dataclass(frozen=True, slots=True)
class BatchTarget:
    """A resource as a batch knows it.

    Attributes:
        write: How its rows are written.
        fields: What is read of them.
        policies: Who may do what, by the operations that there are.
    """

    write: WriteOptions
    fields: Mapping[str, ColumnField]
    policies: Mapping[str, Sequence[Policy]] = field(default_factory=dict)


def run_operations(
    db: Session,
    actor: Identity,
    targets: Mapping[str, BatchTarget],
    operations: Sequence[BatchOperation],
) -> list[Outcome]:
    """Do `operations`, one after the other.

    Args:
        db: The session of the unit.
        actor: Who does them.
        targets: The resources by their addresses, without a slash before or behind.
        operations: What to do.

    Returns:
        The outcomes, in their order.

    Raises:
        TrivetError: What the first of them is refused with; its faults have pointers into the body.
    """
    wanted = {each for operation in operations for each in _references(operation.values)}
    run = _Run(db, actor, targets, wanted)
    for index, each in enumerate(operations):  # before anything is done
        with _located(index):
            run.check(each)
    if len(operations) > 1:
        run.lock(operations)
    outcomes: list[Outcome] = []
    for index, each in enumerate(operations):
        with _located(index, each):
            outcomes.append(run.do(each))
    return outcomes


class _located:  # noqa: N801  # a verb of a with statement
    """Give the refusals inside the block their places in the body."""

    def __init__(self, index: int, operation: BatchOperation | None = None) -> None:
        self._index = index
        self._operation = operation

    def __enter__(self) -> None: ...

    def __exit__(self, _kind: Any, error: BaseException | None, _trace: Any) -> None:
        if not isinstance(error, Exception):
            return
        known = explain(error)
        if known is None or known.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            return
        is_about_values = self._operation is not None and bool(known.data.get("errors"))
        part = "values" if is_about_values else ""
        raise at(known, "operations", self._index, part=part) from error


@dataclass(frozen=True, slots=True)
class _Result:
    """A value of a row that an operation has written, and the attribute that holds it."""

    field: ColumnField
    value: Any

    def given_to(self, *, is_whole: bool) -> Any:
        """The value as JSON for another attribute: a whole number is one for whole numbers, also
        where its own resource answers it as a text."""
        return self.value if is_whole and self.field.is_whole else self.field.encode(self.value)


def _takes_whole(write: WriteOptions, name: str) -> bool:
    """Whether an attribute, or each member of it, is given as a whole number."""
    members = write.members.get(name)
    known = fields_of(write.model).get(name) if members is None else members.key
    return known is not None and known.is_whole


class _Run:
    def __init__(
        self,
        db: Session,
        actor: Identity,
        targets: Mapping[str, BatchTarget],
        wanted: Collection[tuple[int, str]],
    ) -> None:
        self.db = db
        self.actor = actor
        self.targets = targets
        self.wanted = wanted
        self.results: dict[tuple[int, str], _Result] = {}
        self.done = 0

    def check(self, each: BatchOperation) -> None:
        """Refuse what is not there, or what the actor may not do."""
        target = self._target(each)
        for policy in target.policies[each.operation]:
            policy.check(self.actor)
        needs_key = each.operation in ("update", "delete")
        if needs_key != (each.key is not None):
            raise _misplaced("key", "a key is needed" if needs_key else "there is no key yet")
        if each.if_match is not None and not needs_key:
            raise _misplaced("if_match", "there is nothing yet that it could be about")
        if each.operation == "delete" and each.values:
            raise _misplaced("values", "a deletion has none")

    def lock(self, operations: Sequence[BatchOperation]) -> None:
        """Lock the rows that operations name, class by class and in the order of their keys: two
        batches that change the same rows wait for each other, in whatever order they do it."""
        if self.db.get_bind().dialect.name == "sqlite":  # which has one writer
            return
        named: dict[str, list[BatchOperation]] = {}
        for each in operations:
            named.setdefault(each.resource.strip("/"), []).append(each)
        for name in sorted(named, key=lambda name: (self._table_of(name), name)):
            known = [self._known(each) for each in named[name] if each.operation == "upsert"]
            Writer(self.db, self.actor, self.targets[name].write).hold(
                [each.key for each in named[name] if each.key is not None],
                [each for each in known if each is not None],
                are_deleted=any(each.operation == "delete" for each in named[name]),
            )

    def _known(self, each: BatchOperation) -> tuple[Any, ...] | None:
        """By what an upsert knows its row; None if that cannot be told yet, or is refused."""
        write = self._target(each).write
        try:
            values = self._read(each, write, write.create_schema)
            return known_by(self.db, self.actor, write, values)
        except TrivetError:
            return None

    def _table_of(self, name: str) -> str:
        return str(self.targets[name].write.mapper.base_mapper.local_table)

    def do(self, each: BatchOperation) -> Outcome:
        """Do one operation, and remember what it has made."""
        target = self._target(each)
        write, db, actor = target.write, self.db, self.actor
        condition = condition_of_tag(each.if_match)
        row: Any = None
        status = HTTPStatus.OK
        match each.operation:
            case "create":
                require_creatable(rules_of(db), actor, write)
                row = insert_row(db, actor, write, self._read(each, write, write.create_schema))
                status = HTTPStatus.CREATED
            case "upsert":
                require_creatable(rules_of(db), actor, write)
                values = self._read(each, write, write.create_schema)
                row, is_new = upsert_row(db, actor, write, values)
                status = HTTPStatus.CREATED if is_new else HTTPStatus.OK
            case "update":
                values = self._read(each, write, write.update_schema)
                row = update_row(db, actor, write, str(each.key), values, condition=condition)
            case "delete":
                delete_row(db, actor, write, str(each.key), condition=condition)
                status = HTTPStatus.NO_CONTENT
        self._keep_results(target, row)
        return Outcome.of(status.value, row, write)

    def _keep_results(self, target: BatchTarget, row: Any) -> None:
        """Note what later operations refer to, because they may change the row."""
        hidden = rules_of(self.db).hidden_attributes(target.write.model, self.actor)
        for index, name in self.wanted:
            known = target.fields.get(name)
            if index == self.done and row is not None and known and name not in hidden:
                self.results[index, name] = _Result(known, getattr(row, name))
        self.done += 1

    def _target(self, each: BatchOperation) -> BatchTarget:
        name = each.resource.strip("/")
        target = self.targets.get(name)
        if target is None:
            raise _misplaced(
                "resource", f"there is no such resource{did_you_mean(name, self.targets)}", NotFound
            )
        if each.operation not in target.policies:
            raise _misplaced("operation", f"{name} has no {each.operation}", NotFound)
        return target

    def _read(
        self, each: BatchOperation, write: WriteOptions, schema: type[BaseModel]
    ) -> dict[str, Any]:
        values = {
            name: self._resolve(_escaped(name), value, is_whole=_takes_whole(write, name))
            for name, value in each.values.items()
        }
        try:
            return values_of(schema.model_validate(values))
        except ValidationError as error:
            faults = error.errors(include_url=False, include_input=False)
            placed = [{**fault, "loc": ("body", *fault["loc"])} for fault in faults]
            raise Invalid(
                "invalid", "The request does not fit. See errors.", errors=describe_all(placed)
            ) from error

    def _resolve(self, name: str, value: Any, *, is_whole: bool) -> Any:
        if isinstance(value, list):
            return [
                self._resolve(f"{name}/{i}", each, is_whole=is_whole)
                for i, each in enumerate(value)
            ]
        if not isinstance(value, dict) or [*value] != [RESULT]:
            return value
        for reference in _references(value):
            if reference in self.results:
                return self.results[reference].given_to(is_whole=is_whole)
        raise Invalid(
            "invalid",
            "The request does not fit. See errors.",
            errors=[
                {
                    "pointer": f"/{name}",
                    "detail": "no operation before this one has such a result; write "
                    f'{{"{RESULT}": [0, "id"]}}',
                }
            ],
        )


def _references(value: Any) -> Iterator[tuple[int, str]]:
    """What a value refers to: the number of an operation and the name of an attribute."""
    match value:
        case {"$result": [int() as index, str() as name]} if [*value] == [RESULT]:
            yield index, name
        case dict():
            yield from (each for inner in value.values() for each in _references(inner))
        case list():
            yield from (each for inner in value for each in _references(inner))
        case _:
            pass


def _escaped(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")


def _misplaced(name: str, why: str, kind: type[TrivetError] = Invalid) -> TrivetError:
    error = kind("invalid", f"{why[:1].upper()}{why[1:]}.".replace("..", "."))
    error.data = {"errors": [{"pointer": f"/{name}", "detail": why}]}
    return error
