"""Values of every type in live events: shown as a resource shows them, judged as the table is."""

import json
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, Table, create_engine, delete, select
from sqlalchemy.orm import Session

from tests.admin.assorted.models import PORTABLE, POSTGRESQL, Assorted, PostgresAssorted
from tests.admin.type_values import NOT_EQUAL_IN_SQL, UNEQUAL, VALUES
from trivet import Model
from trivet.data.capture import Capture
from trivet.data.live import live_feed
from trivet.data.session import TrivetSession
from trivet.data.sqlite import keep_zones
from trivet.delivery.sights import read_sights
from trivet.events.feeds import FeedRegistry
from trivet.events.live_classes import LiveFeed, live
from trivet.events.outbox import Channel, PublicationRow
from trivet.rules.registry import RuleRegistry
from trivet.rules.visibility import Visible
from trivet_api.resource.fields import fields_of

NOT_KEPT_ON_SQLITE = frozenset({"blob", "guid_in_bytes", "pickled"})


@pytest.fixture
def engine(empty_database_url: str) -> Iterator[Engine]:
    url = empty_database_url.replace("postgresql:", "postgresql+psycopg:")
    in_utc = {"options": "-c timezone=UTC"} if url.startswith("postgresql") else {}
    engine = create_engine(url, connect_args=in_utc)
    keep_zones(engine.dialect)
    models: list[Any] = [Channel, PublicationRow, Assorted]
    if engine.dialect.name == "postgresql":
        models.append(PostgresAssorted)
    tables: list[Table] = [model.__table__ for model in models]
    Model.metadata.create_all(engine, tables=tables)
    yield engine
    engine.dispose()


examples = partial(
    settings,
    max_examples=4,
    deadline=None,
    derandomize=True,
    database=None,
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=list(HealthCheck),
)


def test_values_are_shown_as_by_a_resource_and_found_as_in_the_table(engine: Engine) -> None:
    check(engine, Assorted, PORTABLE)


@pytest.mark.database("postgresql")
def test_so_are_those_of_types_that_one_database_has_alone(engine: Engine) -> None:
    check(engine, PostgresAssorted, POSTGRESQL)


def check(engine: Engine, model: Any, names: Any) -> None:
    strategies = {name: st.none() | VALUES[name] for name in names}
    if engine.dialect.name == "postgresql" and "token_variant" in names:
        strategies["token_variant"] = st.none() | st.uuids()
    rules = RuleRegistry()
    rules.add(Visible(lambda _actor: False, model))
    feed = live_feed("assorted", live(model), rules)
    feeds = FeedRegistry()
    feeds.add(feed.model, feed)
    unequal = NOT_EQUAL_IN_SQL | UNEQUAL
    if engine.dialect.name == "sqlite":
        unequal |= NOT_KEPT_ON_SQLITE

    @examples()
    @given(st.lists(st.fixed_dictionaries(strategies), min_size=2, max_size=3))
    def run(rows: list[dict[str, Any]]) -> None:
        with engine.begin() as connection:
            for emptied in (model, PublicationRow, Channel):
                connection.execute(delete(emptied))
        with closing(TrivetSession(bind=engine, capture=Capture(feeds))) as db:
            db.add_all([model(**row) for row in rows])
            db.commit()
        with Session(engine) as db:
            shown = _shown(db, model)
            told = db.scalars(select(PublicationRow).order_by(PublicationRow.offset)).all()
            for each, row in zip(told, shown, strict=True):
                event = json.loads(each.data)["row"]
                assert event.keys() == row.keys()
                other = {name: (event[name], row[name]) for name in row if event[name] != row[name]}
                assert not other
            judge(db, feed, model, rows, sorted(strategies.keys() - unequal))

    run()


def _shown(db: Session, model: Any) -> list[Any]:
    """The rows as a resource writes them."""
    fields = {name: each for name, each in fields_of(model).items() if not each.is_secret}
    stored = db.scalars(select(model).order_by(model.id))
    written = [
        {name: field.encode(getattr(row, name)) for name, field in fields.items()} for row in stored
    ]
    return [json.loads(msgspec.json.encode(row)) for row in written]


def judge(
    db: Session, feed: LiveFeed, model: Any, rows: list[dict[str, Any]], names: list[str]
) -> None:
    """Conditions see the same rows where they are kept as in their table."""
    ids = db.scalars(select(model.id).order_by(model.id)).all()
    conditions = {
        (name, number): getattr(model, name) == row[name]
        for name in names
        for number, row in enumerate(rows)
    }
    found = read_sights(db, feed, list(conditions.values()), first=1, last=len(rows))
    for (asked, condition), sights in zip(conditions.items(), found, strict=True):
        there = set(db.scalars(select(model.id).where(condition)))
        told = zip(ids, sorted(sights), strict=True)
        seen = {key for key, offset in told if sights[offset].after}
        assert seen == there, asked
