"""Rows of `insert()` and `update()` in a unit are written, judged, published and noted like the
objects of a flush: what is said here is said of both."""

import datetime as dt
import json
from collections.abc import AsyncIterator
from decimal import Decimal
from functools import partial
from typing import Any

import anyio
import anyio.to_thread
import pytest
from sqlalchemy import (
    create_engine,
    event,
    func,
    insert,
    text,
    update,
)
from sqlalchemy.exc import IntegrityError, InvalidRequestError
from sqlalchemy.orm import Session
from sqlalchemy.orm.exc import StaleDataError

from tests.platform.notes import SECRET, published
from tests.platform.sacks import (
    Asked,
    Cell,
    Entry,
    Given,
    Objects,
    Rows,
    Sack,
    Shade,
    Stamp,
    Way,
    named,
    sack_changed,
    stamp_changed,
    stored,
    told,
    write,
)
from tests.platform.trail import check, noted
from tests.platform.waiting import await_blocked
from tests.platform.watched_rules import registry_of
from trivet import Conflict, Invalid
from trivet.audit import AuditTrail
from trivet.data.capture import Capture
from trivet.data.database import Database
from trivet.data.session import UncapturedError
from trivet.data.violations import find_violation
from trivet.events.feeds import FeedRegistry
from trivet.rules import Change, rule

pytestmark = [pytest.mark.anyio, pytest.mark.data]

NOON = dt.datetime(2013, 2, 4, 12, tzinfo=dt.UTC)


@pytest.fixture(params=[Objects(), Rows()], ids=["objects", "rows"])
def way(request: pytest.FixtureRequest) -> Way:
    found: Way = request.param
    return found


@pytest.fixture
def asked() -> Asked:
    return []


@pytest.fixture
async def database(notes_url: str, asked: Asked) -> AsyncIterator[Database]:
    @rule(Sack)
    def look(change: Change[Sack]) -> None:
        asked.append((change.kind, {key: tuple(each) for key, each in change.changes.items()}))

    @rule(Sack, "grams")
    def not_heavy(change: Change[Sack]) -> None:
        if (change.new["grams"] or 0) > 1000:
            was = change.old["grams"]
            raise Conflict("heavy", f"{change.instance.label}: {was}", attributes=["grams"])

    @rule(Sack, "shade", on="insert")
    def light_ones_are_cheap(change: Change[Sack]) -> None:
        if change.new["shade"] is Shade.LIGHT and change.new["price"] is None:
            change.instance.price = Decimal("1.01")

    feeds = FeedRegistry()
    feeds.add(Sack, sack_changed)
    feeds.add(Stamp, stamp_changed)
    feeds.add(Entry, stamp_changed)
    rules = registry_of(look, not_heavy, light_ones_are_cheap)
    database = Database(notes_url, capture=Capture(feeds, AuditTrail([SECRET]), rules))
    yield database
    await database.close()


async def test_new_rows(database: Database, way: Way, asked: Asked) -> None:
    rows = named(5, grams=None, price=Decimal("2.5"), packed_at=NOON, secret="s")
    rows[2] |= {"grams": 7, "shade": Shade.DARK}
    await write(database, lambda db: way.insert(db, rows))
    names = ("id", "label", "grams", "price", "shade", "state", "maker", "version")
    price = Decimal("2.50")
    assert await stored(database, *names) == [
        (1, "s1", None, price, None, "new", "called", 1),
        (2, "s2", None, price, None, "new", "called", 1),
        (3, "s3", 7, price, Shade.DARK, "new", "called", 1),
        (4, "s4", None, price, None, "new", "called", 1),
        (5, "s5", None, price, None, "new", "called", 1),
    ]
    given = {"label": "s1", "price": price, "packed_at": NOON, "secret": "s", "state": "new"}
    assert asked[0] == ("insert", {key: (None, value) for key, value in given.items()})
    assert [kind for kind, _ in asked] == ["insert"] * 5
    entry = {
        "id": {"to": 1},
        "label": {"to": "s1"},
        "price": {"to": "2.50"},
        "packed_at": {"to": "2013-02-04T12:00:00Z"},
        "state": {"to": "new"},
        "maker": {"to": "called"},
        "secret": {"redacted": True},
    }
    found = await noted(database)
    assert found[0] == ("insert", "test_rows_sack", "1", entry)
    assert [key for _, _, key, _ in found] == ["1", "2", "3", "4", "5"]
    assert found[2][3]["shade"] == {"to": "d"}
    new = {"type": "sack_changed", "kind": "insert", "version": 1, "price": "2.50", "old": {}}
    assert await told(database) == [new | {"label": f"s{number}"} for number in range(1, 6)]
    assert (await check(database))[1] == []


async def test_changed_rows(database: Database, way: Way, asked: Asked) -> None:
    await write(database, lambda db: way.insert(db, named(6, grams=5, price=Decimal(3))))
    asked.clear()
    rows = [{"id": key, "grams": 5 + key % 2, "price": Decimal(3)} for key in (6, 5, 3, 2, 1)]
    rows[1]["price"] = Decimal("3.33")
    await write(database, lambda db: way.update(db, rows))
    price = Decimal(3)
    assert await stored(database, "id", "grams", "price", "changed", "version") == [
        (1, 6, price, 77, 2),
        (2, 5, price, None, 1),
        (3, 6, price, 77, 2),
        (4, 5, price, None, 1),
        (5, 6, Decimal("3.33"), 77, 2),
        (6, 5, price, None, 1),
    ]
    grams = {"grams": (5, 6)}
    whole = {"grams": (5, 6), "price": (price, Decimal("3.33"))}
    assert sorted(asked, key=lambda each: len(each[1])) == [
        ("update", grams),
        ("update", grams),
        ("update", whole),
    ]
    entry = {"grams": {"from": 5, "to": 6}, "changed": {"from": None, "to": 77}}
    more = entry | {"price": {"from": "3.00", "to": "3.33"}}
    assert (await noted(database))[6:] == [
        ("update", "test_rows_sack", "1", entry),
        ("update", "test_rows_sack", "3", entry),
        ("update", "test_rows_sack", "5", more),
    ]
    new = [(each["label"], each["version"], each["old"]) for each in (await told(database))[6:]]
    old = {"grams": 5}
    assert new == [("s1", 2, old), ("s3", 2, old), ("s5", 2, old | {"price": "3.00"})]


async def test_a_rule_refuses_all_rows(database: Database, way: Way) -> None:
    await write(database, lambda db: way.insert(db, named(6, grams=5)))
    rows = named(6, grams=1)
    for number, row in enumerate(rows):
        row["label"] = f"t{number}"
    rows[3]["grams"] = 5000
    with pytest.raises(Conflict, match="t3: None") as refused:
        await write(database, lambda db: way.insert(db, rows))
    assert refused.value.subject is Sack
    changed = [{"id": key, "grams": 9} for key in range(1, 7)]
    changed[4]["grams"] = 5000
    with pytest.raises(Conflict, match="s5: 5") as refused:
        await write(database, lambda db: way.update(db, changed))
    assert [each["pointer"] for each in refused.value.data["errors"]] == ["/grams"]
    assert await stored(database, "label", "grams") == [(f"s{n}", 5) for n in range(1, 7)]
    assert len(await noted(database)) == len(await told(database)) == 6


async def test_what_a_rule_sets_is_written(database: Database, way: Way, asked: Asked) -> None:
    await write(database, lambda db: way.insert(db, named(4, shade=Shade.LIGHT)))
    price = Decimal("1.01")
    assert await stored(database, "price") == [(price,)] * 4
    assert [each["price"] for each in await told(database)] == ["1.01"] * 4
    assert {"price": (None, price)}.items() <= asked[-1][1].items()  # it was judged once more


async def test_values_out_of_bounds_are_refused_by_name(database: Database, way: Way) -> None:
    rows = named(4)
    rows[2]["label"] = "much longer than twenty letters"
    with pytest.raises(Invalid) as refused:
        await write(database, lambda db: way.insert(db, rows))
    assert [each["pointer"] for each in refused.value.data["errors"]] == ["/label"]
    await write(database, lambda db: way.insert(db, named(4)))
    with pytest.raises(Invalid) as refused:
        await write(
            database, lambda db: way.update(db, [{"id": n, "grams": n << 40} for n in (1, 2, 3, 4)])
        )
    assert [each["pointer"] for each in refused.value.data["errors"]] == ["/grams"]


async def test_validators_see_each_value(database: Database, way: Way) -> None:
    await write(database, lambda db: way.insert(db, named(4, code="ab")))
    await write(
        database, lambda db: way.update(db, [{"id": n, "code": f"c{n}"} for n in (1, 2, 3, 4)])
    )
    assert await stored(database, "code") == [("C1",), ("C2",), ("C3",), ("C4",)]
    with pytest.raises(ValueError, match="letters and digits"):
        await write(
            database, lambda db: way.update(db, [{"id": n, "code": "?"} for n in (1, 2, 3, 4)])
        )


async def test_a_violation_is_told_by_its_attribute(database: Database, way: Way) -> None:
    await write(database, lambda db: way.insert(db, named(3)))
    with pytest.raises(IntegrityError) as refused:
        await write(database, lambda db: way.insert(db, named(4)))
    violation = find_violation(refused.value)
    assert violation is not None
    assert [column.key for column in violation.columns] == ["label"]
    assert len(await stored(database, "id")) == len(await noted(database)) == 3


async def test_a_row_that_lacks_what_it_needs_is_told_too(database: Database, way: Way) -> None:
    with pytest.raises(IntegrityError) as refused:
        await write(database, lambda db: way.insert(db, [{"grams": n} for n in range(4)]))
    violation = find_violation(refused.value)
    assert violation is not None
    assert [column.key for column in violation.columns] == ["label"]


async def test_a_savepoint_takes_everything_back(database: Database, way: Way) -> None:
    def work(db: Session) -> None:
        way.insert(db, named(4, grams=1))
        lost = db.begin_nested()
        way.update(db, [{"id": n, "grams": 9} for n in (1, 2, 3, 4)])
        lost.rollback()

    await write(database, work)
    assert await stored(database, "grams", "version") == [(1, 1)] * 4
    assert [kind for kind, *_ in await noted(database)] == ["insert"] * 4
    assert [each["kind"] for each in await told(database)] == ["insert"] * 4


async def test_an_expression_is_worked_out(database: Database, way: Way) -> None:
    await write(database, lambda db: way.insert(db, named(4, grams=func.abs(-3))))
    assert await stored(database, "grams") == [(3,)] * 4
    assert (await noted(database))[0][3]["grams"] == {"to": 3}


async def test_what_the_database_fills_is_told_and_noted(database: Database, way: Way) -> None:
    rows = [{"size": n} for n in range(1, 5)]
    changed: Given = [{"id": n, "size": 9} for n in (4, 3, 2, 1)]
    await write(database, lambda db: way.insert(db, rows, Entry))
    await write(database, lambda db: way.update(db, changed, Entry))
    told = [json.loads(each.data) for each in await published(database, "stamps")]
    twice = [2, 4, 6, 8, 18, 18, 18, 18]
    assert [(each["twice"], each["given"]) for each in told] == [(n, "given") for n in twice]
    found = await noted(database)
    new = {"id": {"to": 2}, "size": {"to": 2}, "twice": {"to": 4}, "given": {"to": "given"}}
    both = {"size": {"from": 2, "to": 9}, "twice": {"from": 4, "to": 18}}
    assert (found[1][3], found[5][3]) == (new, both)


async def test_rows_with_other_keys(database: Database, way: Way) -> None:
    stamps = [{"name": name, "size": 1} for name in ("a'b", "é", "{,}", "NULL", "")]
    cells = [{"row": n, "column": 3 - n, "value": n} for n in range(4)]
    await write(database, lambda db: way.insert(db, stamps, Stamp))
    await write(database, lambda db: way.insert(db, cells, Cell))
    await write(database, lambda db: way.update(db, [each | {"size": 5} for each in stamps], Stamp))
    await write(database, lambda db: way.update(db, [each | {"value": 7} for each in cells], Cell))
    notes = [(kind, key) for kind, _, key, _ in (await noted(database))[9:]]
    sizes = [json.loads(each.data)["twice"] for each in await published(database, "stamps")]
    assert sizes == [2] * 5 + [10] * 5
    assert sorted(notes[:5]) == sorted(("update", each["name"]) for each in stamps)
    assert notes[5:] == [("update", f"{n}~{3 - n}") for n in range(4)]


async def test_a_key_that_no_row_can_have_is_stale(database: Database) -> None:
    stamps: list[dict[str, Any]] = [{"name": 4 * each, "size": 1} for each in "abcd"]
    await write(database, lambda db: db.execute(insert(Stamp), stamps))
    stamps[2]["name"] = "cccc, and more than its column holds"
    with pytest.raises(StaleDataError):
        await write(database, lambda db: db.execute(update(Stamp), stamps))


async def test_many_rows(database: Database, way: Way) -> None:
    await write(database, lambda db: way.insert(db, named(2300, grams=1)))
    await write(
        database, lambda db: way.update(db, [{"id": n, "grams": 2} for n in range(2300, 0, -1)])
    )
    assert await stored(database, "id", "label", "grams", "version") == [
        (n, f"s{n}", 2, 2) for n in range(1, 2301)
    ]
    assert [entry[2] for entry in await noted(database)] == [str(n) for n in range(1, 2301)] * 2


@pytest.mark.parametrize("count", [1, 6], ids=["a few", "many"])
async def test_objects_of_the_session_have_what_their_rows_have(
    database: Database, count: int
) -> None:
    await write(database, lambda db: db.execute(insert(Sack), named(6, grams=1)))

    def work(db: Session) -> Any:
        sack = db.get_one(Sack, 1)
        sack.state = "mine"
        db.execute(update(Sack), [{"id": n, "grams": 2} for n in range(1, count + 1)])
        assert not db.dirty
        return sack, (sack.grams, sack.state, sack.version, sack.changed)

    _, seen = await write(database, work)
    assert seen == (2, "mine", 3, 77)
    assert (await stored(database, "grams", "state", "version"))[0] == (2, "mine", 3)


@pytest.mark.parametrize("count", [1, 6], ids=["a few", "many"])
async def test_a_row_that_is_gone_or_has_another_version_is_stale(
    database: Database, count: int
) -> None:
    await write(database, lambda db: db.execute(insert(Sack), named(count, grams=1)))
    keys = range(1, count + 1)
    same = [{"id": n, "grams": 2, "version": 1} for n in keys]
    await write(database, lambda db: db.execute(update(Sack), same))
    assert await stored(database, "grams", "version") == [(2, 2)] * count
    for rows in (same, [{"id": n + 1, "grams": 3} for n in keys]):
        with pytest.raises(StaleDataError, match="test_rows_sack"):
            await write(database, partial(Rows().update, rows=rows))
    assert await stored(database, "grams", "version") == [(2, 2)] * count
    assert len(await noted(database)) == 2 * count


async def test_the_same_row_twice_has_the_last_values(database: Database) -> None:
    await write(database, lambda db: db.execute(insert(Sack), named(5, grams=1)))
    rows = [{"id": n, "grams": grams} for grams in (2, 3) for n in range(1, 6)]
    await write(database, lambda db: db.execute(update(Sack), rows))
    assert await stored(database, "grams", "version") == [(3, 2)] * 5


async def test_one_row_may_stand_alone(database: Database) -> None:
    await write(database, lambda db: db.execute(insert(Sack), {"label": "alone", "id": 44}))
    await write(database, lambda db: db.execute(update(Sack), {"label": "together", "id": 44}))
    assert await stored(database, "id", "label") == [(44, "together")]


async def test_what_has_no_place_is_refused(database: Database) -> None:
    with pytest.raises(InvalidRequestError, match="Sack has no column attribute 'colour'"):
        await write(database, lambda db: db.execute(insert(Sack), named(4, colour=1)))
    with pytest.raises(InvalidRequestError, match="has the key of its Sack: id"):
        await write(database, lambda db: db.execute(update(Sack), [{"grams": 1}] * 4))


@pytest.mark.parametrize(
    ("statement", "rows"),
    [
        (insert(Sack).returning(Sack.id), named(4)),
        (insert(Sack).values(grams=1), named(4)),
        (update(Sack).where(Sack.grams == 1), [{"label": "x"}]),
        (update(Sack).values(grams=1), [{"id": 1, "label": "x"}]),
    ],
)
async def test_statements_that_say_more_are_refused(
    database: Database, statement: Any, rows: Any
) -> None:
    with pytest.raises(UncapturedError, match="a bulk statement on Sack"):
        await write(database, lambda db: db.execute(statement, rows))


async def test_a_unit_that_reads_writes_no_rows(database: Database) -> None:
    with pytest.raises(RuntimeError, match="read-only"):
        async with database.unit(read_only=True) as session:
            await session.execute(insert(Sack), named(4))


async def test_who_listens_to_objects_hears_of_them(database: Database) -> None:
    heard: list[str] = []

    def note(_mapper: Any, _connection: Any, target: Sack) -> None:
        heard.append(target.label)
        target.grams = 8

    event.listen(Sack, "before_insert", note)
    try:
        await write(database, lambda db: db.execute(insert(Sack), named(4)))
    finally:
        event.remove(Sack, "before_insert", note)
    assert heard == ["s1", "s2", "s3", "s4"]
    assert await stored(database, "grams") == [(8,)] * 4


@pytest.mark.database("postgresql")  # elsewhere objects are made
async def test_no_objects_are_made_of_many_plain_rows(database: Database) -> None:
    await write(database, lambda db: db.execute(insert(Sack), named(4)))
    made: list[Any] = []

    def note(target: Any, *_: Any) -> None:
        made.append(target)

    def work(db: Session) -> None:
        event.listen(db, "pending_to_persistent", note)
        db.execute(insert(Sack), [{"label": f"t{n}"} for n in range(4)])
        db.execute(update(Sack), [{"id": n, "grams": 3} for n in range(1, 5)])

    event.listen(Sack, "load", note)
    try:
        await write(database, work)
    finally:
        event.remove(Sack, "load", note)
    assert made == []


@pytest.mark.database("postgresql")  # SQLite has one writer
async def test_a_row_is_locked_before_its_old_values_are_read(
    database: Database, notes_url: str
) -> None:
    await write(database, lambda db: db.execute(insert(Sack), named(4, grams=1)))
    change = text("UPDATE test_rows_sack SET grams = 5, version = 2 WHERE id = 3")

    def work(db: Session) -> None:
        db.execute(update(Sack), [{"id": n, "grams": 2} for n in range(1, 5)])

    def look() -> None:
        engine = create_engine(notes_url.replace("postgresql:", "postgresql+psycopg:"))
        with engine.connect() as connection:
            await_blocked(connection)
        engine.dispose()

    async with database.engine.connect() as other, anyio.create_task_group() as group:
        await other.execute(change)
        group.start_soon(write, database, work)
        await anyio.to_thread.run_sync(look)
        await other.commit()
    assert await stored(database, "grams", "version") == [(2, 2), (2, 2), (2, 3), (2, 2)]
    changes = {key: each["grams"] for _, _, key, each in (await noted(database))[4:]}
    assert changes["3"] == {"from": 5, "to": 2}
