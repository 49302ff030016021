"""The schemas that are derived from a class, and what they refuse."""

import json
from contextlib import nullcontext
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError
from sqlalchemy import Computed, ForeignKey, Integer, MetaData, String, func, inspect, select, text
from sqlalchemy.orm import DeclarativeBase, Mapped, column_property, mapped_column
from sqlmodel import Field, SQLModel

from tests.api.resource.gadgets import Gadget
from tests.api.resource.library import Author, Base, Book, Copy
from trivet.audit.capture import columns_of as audited_columns_of
from trivet.data.row_json import writers_of
from trivet.errors import ConfigurationError
from trivet_api.resource.attribute_texts import attribute_texts
from trivet_api.resource.fields import fields_of
from trivet_api.resource.keys import read_key
from trivet_api.resource.schemas import schema, values_of
from trivet_api.resource.writing import write_options

GOOD: dict[str, Any] = {
    "small": 1,
    "whole": 1,
    "big": 1,
    "price": "1.50",
    "fine": 0,
    "rate": 1.5,
    "ratio": 1,
    "line": "a",
    "lines": "a",
    "code": "ABC",
    "flag": True,
    "day": "2026-01-01",
    "instant": "2026-01-01T00:00:00Z",
    "stock_instant": "2026-01-01T00:00:00+01:00",
    "wall_time": "2026-01-01T00:00:00",
    "berlin_time": "2026-01-01T00:00:00",
    "clock": "10:00",
    "span": "PT1S",
    "stock_span": "PT1S",
    "uuid": "0f8fad5b-d9cb-469f-a165-70867728950e",
    "uuid_text": "0f8fad5b-d9cb-469f-a165-70867728950e",
    "colour": "the red one",
    "colour_name": "RED",
    "state": "open",
    "document": {},
    "items": [],
    "stock_json": 1,
    "raw": "",
    "four": "",
    "cents": 1,
    "point": {"x": 1, "y": 2},
}

REFUSED: dict[str, list[Any]] = {
    "small": [2**15, -(2**15) - 1, "1", True, 1.5, None],
    "whole": [2**31, -(2**31) - 1, 1e300],
    "big": [2**63, -(2**63) - 1, 1e19],
    "price": ["1.005", 10**6, "1e2", "NaN", "Infinity", "1_0", "", " 1", True, [], "+1"],
    "fine": ["0.0000000001", 1000],
    "rate": [None, "1", True],
    "ratio": ["NaN", "1", None, True],
    "line": ["a" * 11, "\x00", "\ud800", 1, None],
    "lines": ["\x00", "a\udfffb"],
    "code": ["AB", "ABCD", ""],
    "flag": ["true", 1, 0, None],
    "day": ["2026-02-30", "0000-01-01", "10000-01-01", 0, "0", "2026-01-01T10:00", None],
    "instant": ["2026-01-01T00:00:00", "0001-01-01T00:00:00+14:00", 0, "1e9", "now", "2026-01-01"],
    "stock_instant": ["9999-12-31T23:59:59-10:00", 1.5],
    "wall_time": [0, "x"],
    "clock": ["25:00", "10:00Z", 36000, "24:00"],
    "span": ["P1", 5, "5", "P999999999D", "PT1e3S"],
    "uuid": ["x", 7],
    "uuid_text": ["x"],
    "colour": ["RED", "the Red one", 0, None],
    "colour_name": ["the red one", "red"],
    "state": ["OPEN", ""],
    "document": [[], "x", None, {"a": "\x00"}, {"\ud800": 1}],
    "items": [{}, ["\x00"], None, json.loads("[" * 150 + "]" * 150)],
    "raw": ["*", "AA=", 7, "Zé=="],
    "four": ["AAAAAAA="],
    "cents": ["x", None],
    "point": [{"x": 1}, {"x": 1, "y": "z"}, [1, 2]],
    "maybe": [2**31, "1"],
}
CASES = [(name, value) for name, values in REFUSED.items() for value in values]


@pytest.mark.parametrize(("name", "value"), CASES, ids=lambda each: repr(each)[:30])
def test_what_a_column_cannot_hold_is_refused_at_its_name(name: str, value: Any) -> None:
    create, update = (schema(Gadget, purpose) for purpose in ("create", "update"))
    create.model_validate(GOOD)
    for model, body in ((create, {**GOOD, name: value}), (update, {name: value})):
        with pytest.raises(ValidationError) as refused:
            model.model_validate(body)
        assert {each["loc"][0] for each in refused.value.errors()} == {name}


MADE = {"id", "version", "added_at", "shelf_mark", "token"}
"""What nobody but the database makes of a book, and its secret."""


@pytest.mark.parametrize("purpose", ["create", "update"])
@pytest.mark.parametrize("name", sorted(MADE | {"author", "metadata", "_sa_instance_state"}))
def test_nobody_sets_what_is_not_offered(purpose: Any, name: str) -> None:
    good = {"title": "Emma", "author_id": 1} if purpose == "create" else {}
    with pytest.raises(ValidationError) as refused:
        schema(Book, purpose).model_validate({**good, name: 1})
    assert [(each["loc"], each["type"]) for each in refused.value.errors()] == [
        ((name,), "extra_forbidden")
    ]


def test_each_purpose_has_its_own_fields() -> None:
    every = {*fields_of(Book)}
    shown, made, changed = (
        {*schema(Book, purpose).model_fields} for purpose in ("read", "create", "update")
    )
    assert shown == every - {"token"}
    assert made == changed == every - MADE
    required = {
        name for name, each in schema(Book, "create").model_fields.items() if each.is_required()
    }
    assert required == {"title", "author_id"}
    assert not any(each.is_required() for each in schema(Book, "update").model_fields.values())
    assert all(each.is_required() for each in schema(Book, "read").model_fields.values())


def test_a_natural_key_is_given_once() -> None:
    assert {"book_id", "letter"} <= {*schema(Copy, "create").model_fields}
    assert {*schema(Copy, "update").model_fields} == {"place", "shelf"}


def test_what_cannot_be_told_never_leaves() -> None:
    assert {"password", "pickled", "secret"}.isdisjoint(schema(Gadget, "read").model_fields)
    assert {"password", "pickled", "secret"}.isdisjoint(schema(Gadget, "create").model_fields)


def test_a_schema_is_made_once_and_says_what_the_class_says() -> None:
    shown = schema(Author, "read")
    assert shown is schema(Author, "read", exclude=[])
    document = shown.model_json_schema(mode="serialization")
    assert (document["title"], document["description"]) == ("Author", "Somebody who writes.")
    assert document["properties"]["name"] == {
        "title": "Name",
        "type": "string",
        "maxLength": 20,
        "examples": ["Jane Austen"],
        "description": "As it stands on the cover.",
    }
    made = schema(Book, "create").model_json_schema()
    assert made["properties"]["price"]["default"] == "0.00"
    assert made["properties"]["status"]["default"] == "draft"
    assert "default" not in made["properties"]["is_lent"]
    assert made["additionalProperties"] is False


def test_the_text_of_an_attribute_is_found_wherever_its_class_stands() -> None:
    class Shelf:
        row: int
        """Counted from the door."""

        class Board:
            row = 1
            """Counted from below."""

    with nullcontext():

        class Door(Shelf):
            row: int
            """The last one."""

            side: str
            """As one comes in."""

    assert attribute_texts(Shelf) == {"row": "Counted from the door."}
    assert attribute_texts(Shelf.Board) == {"row": "Counted from below."}
    assert attribute_texts(Door) == {"row": "The last one.", "side": "As one comes in."}
    assert attribute_texts(type("Made", (Shelf,), {})) == {"row": "Counted from the door."}
    assert attribute_texts(type("Made", (), {"__module__": "nowhere"})) == {}


def test_texts_keep_every_digit_of_a_whole_number() -> None:
    made = schema(Gadget, "update", as_text=["big"])
    assert values_of(made.model_validate({"big": "9223372036854775807"})) == {"big": 2**63 - 1}
    assert made.model_json_schema()["properties"]["big"]["type"] == "string"
    with pytest.raises(ValidationError):
        made.model_validate({"big": str(2**63)})


def test_members_are_lists_of_keys_where_they_are_named() -> None:
    assert "tags" not in schema(Book, "create").model_fields
    made = schema(Book, "create", members=["tags"])
    body = {"title": "Emma", "author_id": 1, "tags": [1, 2]}
    assert values_of(made.model_validate(body))["tags"] == [1, 2]
    for bad in ([None], ["1"], None, 1, [1] * 1001, [2**31]):
        with pytest.raises(ValidationError):
            made.model_validate({**body, "tags": bad})


def test_an_integral_float_is_a_whole_number() -> None:
    assert values_of(schema(Gadget, "update").model_validate({"whole": 5.0})) == {"whole": 5}


class Odd(Base):
    """Attributes whose names are those of Pydantic's."""

    __tablename__ = "resource_odd"
    id: Mapped[int] = mapped_column(primary_key=True)
    copy: Mapped[str] = mapped_column(default="")
    model_dump: Mapped[str | None]
    schema: Mapped[str | None] = mapped_column("other")
    _hidden: Mapped[str | None]
    state: Mapped[str] = mapped_column(server_default="new")
    kind: Mapped[str] = mapped_column(server_default=text("'x'"))
    made: Mapped[str] = mapped_column(server_default=text("lower('X')"))
    fixed: Mapped[str] = mapped_column(default="", info={"editable": False})
    free: Mapped[str] = mapped_column(server_default=text("lower('X')"), info={"editable": True})
    stamped: Mapped[int] = mapped_column(default=1, onupdate=2)
    shout: Mapped[str] = column_property(func.upper(state))


def test_names_of_pydantics_are_attributes_as_any() -> None:
    made = schema(Odd, "create")
    names = ("copy", "model_dump", "schema", "_hidden", "state", "kind", "free")
    assert {*made.model_json_schema()["properties"]} == {*names}
    sent = dict.fromkeys(names, "x")
    assert values_of(made.model_validate(sent)) == sent
    odd = Odd(id=1, made="", fixed="", stamped=1, **sent)
    shown = schema(Odd, "read").model_validate(odd)
    assert schema(Odd, "read").model_fields["shout"].annotation == str | None
    assert json.loads(shown.model_dump_json(by_alias=True))["_hidden"] == "x"


class Needy(Base):
    """A new row needs what no client may send."""

    __tablename__ = "resource_needy"
    id: Mapped[int] = mapped_column(primary_key=True)
    digest: Mapped[str] = mapped_column(String(8), info={"audit": "redacted"})


class Extra(BaseModel):
    digest: str
    more: int


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, "a new row needs digest, which clients do not send"),
        ({"create_schema": Extra}, "Extra.more is no column of Needy"),
        ({"exclude": ["digst"], "creates": False}, "Did you mean digest?"),
        ({"as_text": ["digest"], "creates": False}, "is no whole number"),
        ({"members": ["tags"], "creates": False}, "has no many-to-many relationship 'tags'"),
    ],
    ids=str,
)
def test_what_cannot_work_is_refused_at_the_start(options: Any, said: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        write_options(Needy, **options)
    assert said in refused.value.detail


def test_a_service_may_make_what_clients_do_not_send() -> None:
    def create(*_given: Any) -> None: ...

    write = write_options(Needy, create=create)
    assert {*write.create_schema.model_fields} == set()
    assert write_options(Needy, create=create, create_schema=Extra).create_schema is Extra


KEYS: list[tuple[type[Any], str, Any]] = [
    (Author, "7", (7,)),
    (Author, "-7", (-7,)),
    (Copy, "7~a", (7, "a")),
    (Copy, "7~!7E", (7, "~")),
    (Author, "07", None),
    (Author, "+7", None),
    (Author, "7.0", None),
    (Author, "²", None),
    (Author, "", None),
    (Author, "9999999999", None),
    (Copy, "7", None),
    (Copy, "7~a~b", None),
    (Copy, "7~abc", None),
]


@pytest.mark.parametrize(("model", "given", "key"), KEYS)
def test_a_key_has_one_text(model: type[Any], given: str, key: Any) -> None:
    if key is None:
        with pytest.raises(ValueError, match="is n"):
            read_key(model, given)
    else:
        assert read_key(model, given) == key


class TreeBase(DeclarativeBase):
    metadata = MetaData()


class Node(TreeBase):
    __tablename__ = "resource_node"
    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(String(8))
    __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "node"}  # noqa: RUF012  # SQLAlchemy's


class Thing(TreeBase):
    """A base without rows of its own."""

    __tablename__ = "resource_thing"
    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str]
    __mapper_args__ = {"polymorphic_on": "kind"}  # noqa: RUF012  # as above


class Leaf(Node):
    __tablename__ = "resource_leaf"
    id: Mapped[int] = mapped_column(ForeignKey(Node.id), primary_key=True)
    size: Mapped[int] = mapped_column(Integer)
    __mapper_args__ = {"polymorphic_identity": "leaf"}  # noqa: RUF012  # as above


def test_a_subclass_has_the_key_of_its_base_and_sets_its_kind_itself() -> None:
    assert {*schema(Leaf, "create").model_fields} == {"size"}
    assert {*schema(Leaf, "read").model_fields} == {"id", "kind", "size"}


def test_a_base_without_rows_of_its_own_makes_none() -> None:
    assert write_options(Thing, creates=False).discriminator == "kind"
    with pytest.raises(ConfigurationError) as refused:
        write_options(Thing)
    assert "it has no rows of its own" in refused.value.detail


class Agent(SQLModel, table=True):
    """A model of Pydantic's, which has a word of its own for what never leaves."""

    __tablename__ = "resource_agent"
    metadata = MetaData()
    id: int | None = Field(default=None, primary_key=True)
    name: str
    true_name: str = Field(default="x", exclude=True)


class Informer(SQLModel, table=True):
    """Reads what others leave out."""

    __tablename__ = "resource_informer"
    metadata = Agent.metadata
    id: int | None = Field(default=None, primary_key=True)
    agent_id: int = Field(foreign_key="resource_agent.id")
    code: str = Field(default="x", exclude=True)


_CODE: Any = Informer.__table__.c.code  # type: ignore[attr-defined]  # SQLModel's types have no table
_AGENT: Any = Agent.__table__  # type: ignore[attr-defined]  # as above
inspect(Informer).add_property("loud_code", column_property(func.upper(_CODE)))
inspect(Informer).add_property(
    "true_name",
    column_property(
        select(_AGENT.c.true_name).where(_AGENT.c.id == Informer.agent_id).scalar_subquery()
    ),
)


class Vault(Base):
    __tablename__ = "resource_vault"
    id: Mapped[int] = mapped_column(primary_key=True)
    code: Mapped[str] = mapped_column(String(9), info={"secret": True})
    hint: Mapped[str] = mapped_column(Computed("substr(code, 1, 1)"))
    length: Mapped[int] = mapped_column(Computed("length(code)"), info={"secret": False})
    half: Mapped[str] = column_property(func.substr(code, 1, 4))
    has_code: Mapped[bool] = column_property(code != "", info={"secret": False})


class Visitor(Base):
    __tablename__ = "resource_visitor"
    id: Mapped[int] = mapped_column(primary_key=True)
    vault_id: Mapped[int] = mapped_column(ForeignKey(Vault.id))
    code: Mapped[str] = column_property(
        select(Vault.code).where(Vault.id == vault_id).scalar_subquery()
    )


def test_what_is_made_of_a_secret_is_one_unless_it_says_otherwise() -> None:
    assert {*schema(Vault, "read").model_fields} == {"id", "length", "has_code"}
    assert list(schema(Visitor, "read").model_fields) == ["id", "vault_id"]
    assert list(schema(Informer, "read").model_fields) == ["id", "agent_id"]
    assert list(writers_of(inspect(Vault))) == ["id", "length"]
    noted = {each.key: each.is_redacted for each in audited_columns_of(inspect(Vault))}
    assert noted == {"id": False, "code": True, "hint": True, "length": False}


def test_what_pydantic_leaves_out_is_neither_read_nor_written_nor_published() -> None:
    assert list(schema(Agent, "read").model_fields) == ["id", "name"]
    assert list(schema(Agent, "create").model_fields) == ["name"]
    assert list(writers_of(inspect(Agent))) == ["id", "name"]
