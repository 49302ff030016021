"""What requests and answers about many rows look like: their schemas.

A batch is one body, or, with ``"atomic": false``, as many as it has items, of which some may not
be valid. What is said of a deletion is the same for rows of any class, and has one schema.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, WrapValidator, create_model

from trivet.errors import Invalid, TrivetError
from trivet_api.problems import Problem, describe_all
from trivet_api.resource.write_options import WriteOptions

MOST_ITEMS = 1000
"""More rows are not taken in one request."""
LONGEST_KEY = 500
"""In characters, of the text of a key."""

IN_ITEMS = "give the ETag of each row as its if_match"
"""What to do instead of a condition in the head of a request."""

Verb = Literal["create", "update", "delete"]


@dataclass(frozen=True, slots=True)
class InvalidItem:
    """One of several items that is not valid, where each has its own outcome."""

    faults: Sequence[Any]

    def error(self, index: int) -> TrivetError:
        """The refusal of the item, which is the one number `index` of the body."""
        faults = [{**each, "loc": ("body", "items", index, *each["loc"])} for each in self.faults]
        return Invalid("invalid", "The item does not fit. See errors.", errors=describe_all(faults))


_Key = Annotated[
    str, Field(max_length=LONGEST_KEY, description="The key of the row, as in its address.")
]
_Tag = Annotated[str | None, Field(description="Its ETag as you read it.")]
_Atomic = Annotated[
    bool, Field(strict=True, description="All or nothing; if false, each has its own outcome.")
]
_Status = Annotated[int, Field(description="As if it had been the only one.")]
_Refusal = Annotated[Problem | None, Field(description="Why it is refused.")]


def _make(name: str, module: str, *, is_answer: bool = False, **fields: Any) -> type[BaseModel]:
    config = ConfigDict(extra="ignore" if is_answer else "forbid")
    made: type[BaseModel] = create_model(name, __config__=config, __module__=module, **fields)
    return made


def _items_of(model: type[BaseModel]) -> Any:
    """The items of a batch. Where each has an outcome of its own, they are read one by one."""

    def read(value: Any, handler: Callable[[Any], Any], info: Any) -> Any:
        if info.data.get("atomic", True) or not isinstance(value, list):
            return handler(value)
        if not 0 < len(value) <= MOST_ITEMS:
            return handler(value)
        return [_item_of(model, each) for each in value]

    items: Any = list[model]  # type: ignore[valid-type]  # a class that was made while running
    return Annotated[items, Field(min_length=1, max_length=MOST_ITEMS), WrapValidator(read)]


def _item_of(model: type[BaseModel], value: Any) -> BaseModel | InvalidItem:
    try:
        return model.model_validate(value)
    except ValidationError as error:
        return InvalidItem(error.errors(include_url=False, include_input=False))


_DELETION = _make("RowDeletion", __name__, key=(_Key, ...), if_match=(_Tag, None))
_DELETIONS = _make(
    "BatchDelete", __name__, atomic=(_Atomic, True), items=(_items_of(_DELETION), ...)
)
_DELETED: Any = _make(
    "DeleteOutcome", __name__, is_answer=True, status=(_Status, ...), problem=(_Refusal, None)
)
_ALL_DELETED = _make("BatchDeleteAnswer", __name__, is_answer=True, items=(list[_DELETED], ...))


def batch_schema(write: WriteOptions, verb: Verb) -> type[BaseModel]:
    """The body of a batch: ``BookBatchCreate``, ``BookBatchUpdate`` or ``BatchDelete``."""
    if verb == "delete":
        return _DELETIONS
    name, module = write.model.__name__, write.model.__module__
    item = write.create_schema
    if verb == "update":
        changes = (write.update_schema, ...)
        item = _make(
            f"{name}Change", module, key=(_Key, ...), if_match=(_Tag, None), changes=changes
        )
    items = (_items_of(item), ...)
    return _make(f"{name}Batch{verb.capitalize()}", module, atomic=(_Atomic, True), items=items)


def answer_schema(write: WriteOptions, row: type[BaseModel] | None) -> type[BaseModel]:
    """The answer to a batch: ``BookBatchAnswer``, with the outcome of each item in their order;
    for deletions, where `row` is None, ``BatchDeleteAnswer``."""
    if row is None:
        return _ALL_DELETED
    name, module = write.model.__name__, write.model.__module__
    outcome: Any = _make(
        f"{name}Outcome",
        module,
        is_answer=True,
        status=(_Status, ...),
        problem=(_Refusal, None),
        body=(Annotated[row | None, Field(description="The row.")], None),
    )
    return _make(f"{name}BatchAnswer", module, is_answer=True, items=(list[outcome], ...))
