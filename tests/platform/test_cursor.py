"""The cursor of the outbox: it misses no commit, in whatever order transactions end."""

import random
from collections.abc import Iterator, Mapping

import pytest
from sqlalchemy import Engine, create_engine, event
from sqlalchemy.orm import Session

from trivet.delivery import cursor
from trivet.delivery.cursor import OutboxCursor
from trivet.events.appending import NewPublication, append

postgresql = pytest.mark.database("postgresql")


@pytest.fixture
def engine(fresh_database_url: str) -> Iterator[Engine]:
    engine = create_engine(fresh_database_url.replace("postgresql:", "postgresql+psycopg:"))
    yield engine
    engine.dispose()


def publish(engine: Engine, *channels: str) -> Session:
    """A transaction that has published, and is not committed."""
    session = Session(engine)
    append(session, [NewPublication(channel, "{}") for channel in channels])
    return session


def look(cursor: OutboxCursor, engine: Engine) -> Mapping[str, int] | None:
    snapshot = {"isolation_level": "REPEATABLE READ"} if engine.dialect.name != "sqlite" else {}
    with Session(engine.execution_options(**snapshot)) as session:
        return cursor.look(session)


@pytest.fixture
def settled(engine: Engine) -> OutboxCursor:
    """A cursor that has looked, with a history behind it."""
    publish(engine, "w:a", "w:b").commit()
    found = OutboxCursor()
    assert look(found, engine) is None, "at first any channel may have news"
    return found


def test_news_is_reported_and_then_nothing(engine: Engine, settled: OutboxCursor) -> None:
    assert look(settled, engine) == {}
    publish(engine, "w:a", "w:c", "w:a").commit()
    assert look(settled, engine) == {"w:a": 3, "w:c": 1}
    assert look(settled, engine) == {}


@postgresql
def test_a_transaction_that_took_its_ids_early_and_ends_late_is_seen(
    engine: Engine, settled: OutboxCursor
) -> None:
    early = publish(engine, "w:a")
    publish(engine, "w:b").commit()
    publish(engine, "w:c").commit()
    assert look(settled, engine) == {"w:b": 2, "w:c": 1}
    early.commit()
    assert (look(settled, engine) or {})["w:a"] == 2
    assert look(settled, engine) == {}


@postgresql
def test_a_transaction_that_runs_since_before_the_first_look_is_seen(engine: Engine) -> None:
    early = publish(engine, "w:a")
    publish(engine, "w:b").commit()
    cursor = OutboxCursor()
    assert [look(cursor, engine) for _ in range(3)] == [None] * 3
    early.commit()
    assert look(cursor, engine) is None, "its channel may be any"
    assert look(cursor, engine) == {}


@postgresql
def test_a_transaction_that_is_rolled_back_does_not_hold_the_cursor(
    engine: Engine, settled: OutboxCursor
) -> None:
    early = publish(engine, "w:a")
    publish(engine, "w:b").commit()
    assert look(settled, engine) == {"w:b": 2}
    early.rollback()
    assert look(settled, engine) == {"w:b": 2}
    assert look(settled, engine) == {}


@postgresql
@pytest.mark.parametrize("seed", range(5))
def test_every_commit_is_reported_whatever_the_order(
    engine: Engine, settled: OutboxCursor, seed: int
) -> None:
    chance = random.Random(seed)
    running: list[tuple[str, Session]] = []
    expected: dict[str, int] = {}
    reported: dict[str, int] = {}
    for number in range(60):
        channel = f"w:{number}"
        running.append((channel, publish(engine, channel)))
        while len(running) > 6 or (running and chance.random() < 0.4):
            name, session = running.pop(chance.randrange(len(running)))
            if chance.random() < 0.2:
                session.rollback()
            else:
                session.commit()
                expected[name] = 1
            session.close()
        if chance.random() < 0.3:
            found = look(settled, engine)
            assert found is not None
            reported |= found
            assert reported == expected
    for name, session in running:
        session.commit()
        expected[name] = 1
    reported |= look(settled, engine) or {}
    assert reported == expected
    look(settled, engine)
    assert look(settled, engine) == {}


def test_more_rows_than_one_look_reads_may_be_of_any_channel(
    engine: Engine, settled: OutboxCursor
) -> None:
    publish(engine, *["w:flood"] * cursor.MOST_ROWS).commit()
    assert look(settled, engine) is None
    assert look(settled, engine) == {}


def test_a_look_is_one_statement(engine: Engine, settled: OutboxCursor) -> None:
    statements: list[str] = []
    event.listen(engine, "before_cursor_execute", lambda *given: statements.append(str(given[2])))
    publish(engine, "w:a").commit()
    statements.clear()
    look(settled, engine)
    assert len(statements) == 1
