"""Faults of a feature's own: a feed that fails is named, a schema past the capture is refused."""

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from tests.platform import notes
from tests.platform.shelf import Thing, thing, unit
from trivet.data.statement_guard import FeedError
from trivet.events import Change, Publication
from trivet.events.fed_tables import FedTables
from trivet.events.feeds import FeedRegistry


class TestFeeds:
    def run(self, engine: Engine, feed: Any) -> None:
        feeds = FeedRegistry()
        feeds.add(Thing, feed)
        with unit(engine, feeds) as db:
            thing(db).title = "urn"

    def test_a_feed_that_loads_lazily_is_refused_with_its_name(self, engine: Engine) -> None:
        def nosy(change: Change[Thing]) -> Iterator[Publication]:
            yield Publication("shelf:all", change.instance.labels)

        with pytest.raises(FeedError, match="the feed nosy of Thing asked the database something"):
            self.run(engine, nosy)
        with Session(engine) as db:
            assert thing(db).title == "vase"

    def test_a_feed_that_fails_is_named_and_nothing_is_committed(self, engine: Engine) -> None:
        def broken(_change: Change[Thing]) -> Iterator[Publication]:
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError) as raised:
            self.run(engine, broken)
        assert "raised by the feed broken of Thing, for its update" in raised.value.__notes__[0]
        with Session(engine) as db:
            assert thing(db).title == "vase"


def test_a_row_that_a_deletion_would_change_is_guarded_with_the_one_that_is_deleted() -> None:
    assert FedTables([notes.Note]).find_unseen("DELETE FROM test_line") is None


@pytest.mark.parametrize(
    ("sql", "seen_by_nobody"),
    [
        ("DROP TABLE test_note", "test_note"),
        ("TRUNCATE test_line, test_note", "test_note"),
        ("DROP TABLE test_line", None),
        ("ANALYZE", None),
    ],
)
def test_a_statement_that_names_its_tables_somewhere_is_judged_by_its_names(
    sql: str, seen_by_nobody: str | None
) -> None:
    assert FedTables([notes.Note]).find_unseen(sql) == seen_by_nobody
