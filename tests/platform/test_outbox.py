"""The outbox as a table: its ids, its keys, and the columns that few publications need."""

from collections.abc import Iterator
from datetime import timedelta
from itertools import pairwise

import pytest
from sqlalchemy import Engine, create_engine, select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from trivet.events.appending import NewPublication, append
from trivet.events.outbox import (
    Channel,
    PublicationRow,
    StoredPublication,
    find_by_key,
    list_after,
)
from trivet.events.pruning import trim

JOINS = ("hashjoin", "mergejoin", "nestloop")


@pytest.fixture
def engine(fresh_database_url: str) -> Iterator[Engine]:
    engine = create_engine(fresh_database_url.replace("postgresql:", "postgresql+psycopg:"))
    yield engine
    engine.dispose()


def plain(*channels: str) -> list[NewPublication]:
    """A publication to each of `channels`, numbered in this order."""
    return [NewPublication(channel, f'{{"n":{n}}}') for n, channel in enumerate(channels, 1)]


def rows(session: Session) -> list[PublicationRow]:
    return list(session.scalars(select(PublicationRow).order_by(PublicationRow.id)))


@pytest.mark.database("postgresql")
@pytest.mark.parametrize("join", JOINS)
@pytest.mark.parametrize("extra", [False, True], ids=["plain", "with keys"])
def test_ids_follow_the_order_of_publications_whatever_the_planner_chooses(
    engine: Engine, join: str, extra: bool
) -> None:
    """The plan of a statement changes with the statistics; here each way of joining is forced."""
    given = plain(*["w:b", "w:a", "w:b", "w:c", "w:a", "w:b"] * 20)
    if extra:
        given = [
            NewPublication(each.channel, each.data, idempotency_key=each.data) for each in given
        ]
    with Session(engine) as session, session.begin():
        for other in JOINS:
            session.execute(text(f"SET LOCAL enable_{other} = {'on' if other == join else 'off'}"))
        for _ in range(1 if extra else 3):
            append(session, given)
    with Session(engine) as session:
        stored = rows(session)
    assert [row.data for row in stored] == [each.data for each in given] * (1 if extra else 3)
    for channel in ("w:a", "w:b", "w:c"):
        offsets = [row.offset for row in stored if row.channel == channel]
        assert offsets == list(range(1, len(offsets) + 1))


def test_one_publication_many_and_those_with_tags_are_numbered_alike(engine: Engine) -> None:
    rounds = [
        plain("w:a"),
        plain("w:a", "w:b", "w:a"),
        [NewPublication("w:a", "{}", tags='{"t":"1"}'), NewPublication("w:b", "{}")],
        [NewPublication("w:b", "{}", publisher='{"user":"7"}')],
        plain("w:b"),
    ]
    with Session(engine) as session:
        for publications in rounds:
            reached = append(session, publications)
            session.commit()
            newest = {row.channel: row.offset for row in rows(session)}
            assert {name: position.offset for name, position in reached.items()} == {
                name: newest[name] for name in reached
            }
        stored = rows(session)
    assert [(row.channel, row.offset) for row in stored] == [
        ("w:a", 1),
        ("w:a", 2),
        ("w:b", 1),
        ("w:a", 3),
        ("w:a", 4),
        ("w:b", 2),
        ("w:b", 3),
        ("w:b", 4),
    ]
    assert all(one.id < next_one.id for one, next_one in pairwise(stored))


def test_what_comes_with_a_publication_is_read_back_with_it(engine: Engine) -> None:
    given = NewPublication(
        "w:a",
        '{"text":"grüß"}',
        tags='{"kind":"ä"}',
        publisher='{"user":"7","client":"c"}',
        idempotency_key="k",
    )
    with Session(engine) as session:
        append(session, [*plain("w:a"), given])
        session.commit()
        first, second = list_after(session, "w:a", 0, limit=9)
        assert find_by_key(session, "w:a", "k") == second
        assert find_by_key(session, "w:a", "other") is None
        assert find_by_key(session, "w:b", "k") is None
    assert (first.tags, first.publisher) == (None, None)
    assert second == StoredPublication(
        "w:a",
        2,
        '{"text":"grüß"}'.encode(),
        second.created_at,
        '{"kind":"ä"}'.encode(),
        b'{"user":"7","client":"c"}',
    )


def test_a_key_is_accepted_once_in_each_channel_and_a_refusal_leaves_no_gap(
    engine: Engine,
) -> None:
    def publish(channel: str, key: str | None) -> None:
        with Session(engine) as session, session.begin():
            append(session, [NewPublication(channel, "{}", idempotency_key=key)])

    publish("w:a", "once")
    publish("w:b", "once")
    with pytest.raises(IntegrityError):
        publish("w:a", "once")
    publish("w:a", "twice")
    publish("w:a", None)
    publish("w:a", None)
    with Session(engine) as session:
        stored = [(row.channel, row.offset) for row in rows(session)]
        assert session.get_one(Channel, "w:a").top_offset == 4
    assert stored == [("w:a", 1), ("w:b", 1), ("w:a", 2), ("w:a", 3), ("w:a", 4)]


def test_an_id_is_never_used_again_even_if_retention_removed_every_row(engine: Engine) -> None:
    with Session(engine) as session:
        append(session, plain("w:a", "w:a", "w:a"))
        session.commit()
        newest = rows(session)[-1].id
        assert trim(session, older_than=timedelta(seconds=-60), limit=10) == 3
        session.commit()
        append(session, plain("w:a"))
        session.commit()
        (row,) = rows(session)
    assert (row.id > newest, row.offset) == (True, 4)
