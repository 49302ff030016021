"""What leaves the outbox with time: late enough, as a whole, and without a wait for anybody."""

import random
import time
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Event

import pytest
from sqlalchemy import Engine, create_engine, event, func, select, text, update
from sqlalchemy.orm import Session

from trivet.events.appending import NewPublication, append
from trivet.events.outbox import Channel, Position, PublicationRow, find_position, unopened_epoch
from trivet.events.pruning import find_empty, find_fading, forget, keep, trim

HOUR = timedelta(hours=1)
NOW = timedelta()
"""Everything is past its time at once."""
MOST_TRANSACTIONS = 5_000
"""Of one writer, which ends when channels have died and come back a few times."""


@pytest.fixture
def engine(fresh_database_url: str) -> Iterator[Engine]:
    url = fresh_database_url.replace("postgresql:", "postgresql+psycopg:")
    patience = {"timeout": 60} if url.startswith("sqlite") else {}
    engine = create_engine(url, pool_size=10, connect_args=patience)
    if engine.dialect.name == "sqlite":
        # As the platform's own connections: a transaction that writes has the database at once.
        @event.listens_for(engine, "connect")
        def take_over(connection: object, _record: object) -> None:
            connection.isolation_level = None  # type: ignore[attr-defined]  # of the driver

        @event.listens_for(engine, "begin")
        def begin(connection: object) -> None:
            connection.exec_driver_sql("BEGIN IMMEDIATE")  # type: ignore[attr-defined]  # SQLAlchemy's

    yield engine
    engine.dispose()


def publish(engine: Engine, *channels: str) -> dict[str, Position]:
    with Session(engine) as session, session.begin():
        return append(session, [NewPublication(channel, "{}") for channel in channels])


def age(engine: Engine, hours: float) -> None:
    """Let everything have happened so many hours before."""
    by = timedelta(hours=hours)
    with engine.begin() as connection:
        for column in (PublicationRow.created_at, Channel.kept_at):
            for key, value in connection.execute(
                select(column.class_.__mapper__.primary_key[0], column)
            ).all():
                if value is not None:
                    where = column.class_.__mapper__.primary_key[0] == key
                    values = {column.key: value - by}
                    connection.execute(update(column.class_).where(where).values(values))


def prune(engine: Engine, older_than: timedelta = HOUR) -> int:
    """What the process that removes does, in one go."""
    with Session(engine) as session, session.begin():
        trim(session, older_than=older_than, limit=10_000)
    with Session(engine) as session:
        empty, _ = find_empty(session, older_than=older_than, after="", limit=10_000)
    if not empty:
        return 0
    with Session(engine) as session, session.begin():
        return forget(session, empty, older_than=older_than)


def channels(engine: Engine) -> set[str]:
    with Session(engine) as session:
        return set(session.scalars(select(Channel.name)))


def test_a_channel_goes_with_its_last_publication_and_comes_back_with_another_epoch(
    engine: Engine,
) -> None:
    before = publish(engine, "w:a", "w:a", "w:b")
    age(engine, 0.9)
    assert prune(engine) == 0
    publish(engine, "w:b")
    age(engine, 0.2)
    assert prune(engine) == 1
    assert channels(engine) == {"w:b"}
    after = publish(engine, "w:a", "w:b")
    assert after["w:a"].offset == 1
    assert after["w:a"].epoch != before["w:a"].epoch
    assert after["w:b"] == Position(before["w:b"].epoch, 3)


def test_a_channel_that_somebody_asked_for_stays_for_as_long_as_a_publication(
    engine: Engine,
) -> None:
    publish(engine, "w:a", "w:b")
    age(engine, 0.8)
    with Session(engine) as session, session.begin():
        keep(session, ["w:a", "w:nowhere"])
    age(engine, 0.8)
    prune(engine)
    assert channels(engine) == {"w:a"}
    age(engine, 0.3)
    prune(engine)
    assert channels(engine) == set()


def test_only_what_is_about_to_fade_has_to_be_kept(engine: Engine) -> None:
    names = ["w:young", "w:old", "w:kept", "w:nowhere"]

    def fading() -> set[str]:
        with Session(engine) as session:
            return set(find_fading(session, names, older_than=HOUR / 2))

    publish(engine, "w:old", "w:kept", "w:young")
    age(engine, 0.6)
    publish(engine, "w:young")
    with Session(engine) as session, session.begin():
        keep(session, ["w:kept"])
    assert fading() == {"w:old"}
    age(engine, 0.6)
    assert fading() == {"w:old", "w:kept", "w:young"}


def test_who_publishes_after_the_look_keeps_the_channel(engine: Engine) -> None:
    publish(engine, "w:a", "w:b")
    age(engine, 2)
    with Session(engine) as session, session.begin():
        trim(session, older_than=HOUR, limit=10)
    with Session(engine) as session:
        empty, following = find_empty(session, older_than=HOUR, after="", limit=10)
    assert ([name for name, _ in empty], following) == (["w:a", "w:b"], None)
    reached = publish(engine, "w:a")
    age(engine, 2)  # and even that is past its time and gone again
    with Session(engine) as session, session.begin():
        trim(session, older_than=HOUR, limit=10)
        assert forget(session, empty, older_than=HOUR) == 1
    assert channels(engine) == {"w:a"}
    assert publish(engine, "w:a")["w:a"] == Position(reached["w:a"].epoch, 3)


def test_a_look_goes_on_where_the_last_one_ended(engine: Engine) -> None:
    publish(engine, *(f"w:{number}" for number in range(7)))
    prune(engine, NOW)
    publish(engine, "w:3", *(f"w:{number}" for number in range(10, 16)))
    age(engine, 2)
    with Session(engine) as session, session.begin():
        session.execute(text("DELETE FROM trivet_publication WHERE channel <> 'w:3'"))
    found, after, looks = [], "", 0
    while True:
        with Session(engine) as session:
            empty, following = find_empty(session, older_than=HOUR, after=after, limit=3)
        found += [name for name, _ in empty]
        looks += 1
        if following is None:
            break
        after = following
    assert (found, looks) == ([f"w:{number}" for number in range(10, 16)], 3)


@pytest.mark.database("postgresql")
def test_a_writer_is_not_waited_for(engine: Engine) -> None:
    publish(engine, "w:a", "w:b", "w:c")
    age(engine, 2)
    with Session(engine) as session, session.begin():
        trim(session, older_than=HOUR, limit=10)
    with Session(engine) as session:
        empty, _ = find_empty(session, older_than=HOUR, after="", limit=10)
    with Session(engine) as writer, Session(engine) as session:
        append(writer, [NewPublication("w:b", "{}")])
        session.execute(text("SET lock_timeout = '10ms'"))
        keep(session, ["w:a", "w:b", "w:c"])
        session.rollback()
        session.execute(text("SET lock_timeout = '10ms'"))
        assert forget(session, empty, older_than=HOUR) == 2
        session.commit()
        writer.commit()
    with Session(engine) as session:
        (row,) = session.scalars(select(Channel))
    assert (row.name, row.top_offset, row.kept_at) == ("w:b", 2, None)


Committed = dict[str, tuple[Position, int]]
"""The channels of a transaction: where each stands then, and the publications that it got."""


class Meeting:
    """Writers and removers on three channels whose publications are past their time at once, so
    that channels die and come back all the time."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._names = [f"w:{number}" for number in range(3)]
        self._enough, self.is_over = Event(), Event()

    def write(self, seed: int) -> list[Committed]:
        chance, committed = random.Random(seed), []
        for number in range(MOST_TRANSACTIONS):
            if number > 60 and self._enough.is_set():
                break
            picked = [chance.choice(self._names) for _ in range(chance.randint(1, 3))]
            with Session(self._engine) as session:
                reached = append(session, [NewPublication(name, "{}") for name in picked])
                if chance.random() < 0.2:
                    session.rollback()
                    continue
                session.commit()
            committed.append({name: (at, picked.count(name)) for name, at in reached.items()})
            time.sleep(0.002)  # for the others: SQLite is not fair
        return committed

    def remove(self) -> int:
        forgotten = 0
        while not self.is_over.is_set():
            forgotten += prune(self._engine, NOW)
            if forgotten > 10:
                self._enough.set()
        return forgotten


@pytest.mark.parametrize("seed", range(2))
def test_no_offset_is_doubled_or_left_out_however_writers_and_removal_meet(
    engine: Engine, seed: int
) -> None:
    meeting = Meeting(engine)
    with ThreadPoolExecutor(6) as pool:
        removing = [pool.submit(meeting.remove) for _ in range(2)]
        writing = [pool.submit(meeting.write, seed * 10 + number) for number in range(4)]
        try:
            committed = [each for done in writing for each in done.result()]
        finally:
            meeting.is_over.set()
        assert sum(each.result() for each in removing) > 10, "no channel has had two lives"
    lives: defaultdict[tuple[str, str], list[int]] = defaultdict(list)
    for reached in committed:
        for name, (position, count) in reached.items():
            first = position.offset - count + 1
            lives[name, position.epoch] += range(first, position.offset + 1)
    for offsets in lives.values():
        assert sorted(offsets) == list(range(1, len(offsets) + 1))
    with Session(engine) as session:
        for row in session.scalars(select(Channel)):
            assert row.top_offset == len(lives[row.name, row.epoch])


def test_a_page_that_reads_a_channel_without_a_life_gets_a_position_of_that_moment(
    engine: Engine,
) -> None:
    with Session(engine) as session:
        earliest = unopened_epoch()
        found = find_position(session, "w:a")
        assert found.offset == 0
        assert int(earliest[1:], 16) <= int(found.epoch[1:], 16) <= int(unopened_epoch()[1:], 16)
        assert session.scalar(select(func.count()).select_from(Channel)) == 0
    publish(engine, "w:a")
    with Session(engine) as session:
        assert find_position(session, "w:a").offset == 1
