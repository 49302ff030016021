"""What creates a row, what is answered, what is read and what is stored are one value."""

import json
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine as DatabaseEngine
from sqlalchemy import create_engine

from tests.api.resource.gadgets import SENT, SENT_TO_POSTGRES, Engine, Gadget, PostgresBase
from tests.api.resource.library import ONE, Base
from trivet.data.capture import Capture
from trivet.data.session import TrivetSession
from trivet.data.sqlite import keep_zones
from trivet_api.resource.schemas import readable_fields, schema, values_of
from trivet_api.resource.writing import insert_row, update_row, write_options

QUICKLY = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.fixture
def engine(database_url: str) -> Iterator[DatabaseEngine]:
    in_utc = {"options": "-c timezone=UTC"}  # as every connection of the product is
    engine = create_engine(
        database_url.replace("postgresql:", "postgresql+psycopg:"),
        connect_args=in_utc if database_url.startswith("postgresql") else {},
    )
    keep_zones(engine.dialect)
    Base.metadata.create_all(engine)
    yield engine
    engine.dispose()


def written(model: type[Any], row: Any) -> Any:
    """The JSON of a row by its fields, as lists and pages have it."""
    fields = readable_fields(model)
    values = {name: each.encode(getattr(row, name)) for name, each in fields.items()}
    return json.loads(msgspec.json.encode(values))


def answered(model: type[Any], row: Any) -> Any:
    """The JSON of a row by its schema."""
    shown = schema(model, "read").model_validate(row)
    return json.loads(shown.model_dump_json(by_alias=True))


def check(engine: DatabaseEngine, model: type[Any], sent: dict[str, Any]) -> None:
    """Send a row, and again what was answered: nothing of it changes."""
    write = write_options(model)
    body = write.create_schema.model_validate(json.loads(json.dumps(sent)))
    with TrivetSession(bind=engine, capture=Capture()) as db:
        row = db.run(lambda db: insert_row(db, ONE, write, values_of(body)))
        answer = answered(model, row)
        assert written(model, row) == answer
        key = row.id
        db.commit()
    with TrivetSession(bind=engine, capture=Capture()) as db:
        stored = db.get_one(model, key)
        assert (written(model, stored), answered(model, stored)) == (answer, answer)
        changes = {name: value for name, value in answer.items() if name in sent}
        again = write.update_schema.model_validate(changes)
        row = db.run(lambda db: update_row(db, ONE, write, str(key), values_of(again)))
        assert not db.is_modified(row)
        assert answered(model, row) == answer


@QUICKLY
@given(st.fixed_dictionaries(SENT))
def test_a_row_is_answered_as_it_is_read_and_stored(
    engine: DatabaseEngine, sent: dict[str, Any]
) -> None:
    check(engine, Gadget, sent)


@pytest.mark.database("postgresql")
@QUICKLY
@given(st.fixed_dictionaries(SENT_TO_POSTGRES))
def test_so_is_what_postgresql_has_alone(engine: DatabaseEngine, sent: dict[str, Any]) -> None:
    PostgresBase.metadata.create_all(engine)
    check(engine, Engine, sent)
