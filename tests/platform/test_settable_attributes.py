"""Attributes that only some may set, by whatever way they are set."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import Engine, event, select, update
from sqlalchemy.orm import Session

from tests.platform.visible_classes import (
    Cadet,
    Guard,
    Guest,
    Person,
    filled,
    registry_of,
    session_with,
)
from tests.platform.watched_rules import BOSS
from trivet import Forbidden, Identity
from trivet.data.explicit_nulls import keep_nulls
from trivet.data.session import UncapturedError
from trivet.identity import ANONYMOUS
from trivet.rules import Change, changeable, rule


@pytest.fixture
def engine(empty_database_url: str) -> Iterator[Engine]:
    with filled(empty_database_url) as engine:
        yield engine


@changeable(Person, "rank", "height", "boss", "name")
def by_the_boss(actor: Identity) -> bool:
    return actor.username == "boss"


def do(work: Callable[[Session], None], db: Session) -> None:
    work(db)
    db.flush()


def _promote(db: Session) -> None:
    db.get_one(Person, 2).rank = 2


def _rename(db: Session) -> None:
    db.get_one(Guard, 3).nick = "gas"


def _move(db: Session) -> None:
    db.get_one(Person, 2).boss = db.get_one(Person, 3)


def _take_in(db: Session) -> None:
    boss = db.get_one(Person, 1)
    boss.staff.append(db.get_one(Person, 4))


def _add(**values: Any) -> Callable[[Session], None]:
    return lambda db: db.add(Person(id=9, **values))


class TestWhoMaySet:
    @pytest.mark.parametrize(
        ("work", "named"),
        [
            (_promote, ["rank"]),
            (_rename, ["name"]),
            (_move, ["boss"]),
            (_take_in, ["boss"]),
            (_add(name="x"), ["name"]),
            (_add(name="x", rank=2), ["rank", "name"]),
            (_add(name="x", height=1), ["height", "name"]),
        ],
    )
    def test_nobody_else_sets_it_by_any_way(
        self, engine: Engine, work: Callable[[Session], None], named: list[str]
    ) -> None:
        rules = registry_of(by_the_boss)
        with session_with(engine, rules) as db, pytest.raises(Forbidden) as caught:
            do(work, db)
        assert [each["pointer"] for each in caught.value.data["errors"]] == [f"/{n}" for n in named]
        assert caught.value.subject is not None
        with session_with(engine, rules, BOSS) as db:
            do(work, db)

    @pytest.mark.parametrize("declared", ["boss", "boss_id"])
    def test_a_reference_to_a_row_that_has_no_key_yet_is_judged_before_that_is_written(
        self, engine: Engine, declared: str
    ) -> None:
        @changeable(Person, declared)
        def of_the_boss(actor: Identity) -> bool:
            return actor.username == "boss"

        def hire(db: Session) -> None:
            db.get_one(Person, 1).boss = Person(name="zoe")

        if engine.dialect.name == "postgresql":  # whose numbers know nothing of rows with keys
            with engine.begin() as connection:
                connection.exec_driver_sql("ALTER SEQUENCE visible_person_id_seq RESTART WITH 9")
        written: list[str] = []

        @event.listens_for(engine, "before_cursor_execute")
        def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
            written.extend([statement] if statement.startswith(("INSERT", "UPDATE")) else ())

        with session_with(engine, registry_of(of_the_boss)) as db, pytest.raises(Forbidden):
            do(hire, db)
        assert written == []
        with session_with(engine, registry_of(of_the_boss), BOSS) as db:
            do(hire, db)
        assert [each.partition(" ")[0] for each in written] == ["INSERT", "UPDATE"]

    @pytest.mark.parametrize("actor", [ANONYMOUS, None])
    def test_nobody_is_not_everybody(self, engine: Engine, actor: Identity | None) -> None:
        with session_with(engine, registry_of(by_the_boss), actor) as db, pytest.raises(Forbidden):
            do(_promote, db)

    @pytest.mark.parametrize("name", ["strikes", "stripes"])
    def test_null_in_place_of_a_default_is_another_value(self, engine: Engine, name: str) -> None:
        @changeable(Cadet, name)
        def of_the_boss(actor: Identity) -> bool:
            return actor.username == "boss"

        rules = registry_of(of_the_boss)
        with session_with(engine, rules) as db:
            db.add(Cadet(id=1, strikes=None, stripes=None))  # SQLAlchemy writes the defaults
            db.flush()
            assert db.execute(select(Cadet.strikes, Cadet.stripes)).one() == (3, 4)
            db.add(cadet := Cadet(id=2, strikes=None, stripes=None))
            keep_nulls(cadet, [name])
            with pytest.raises(Forbidden) as caught:
                db.flush()
        assert [each["pointer"] for each in caught.value.data["errors"]] == [f"/{name}"]

    def test_a_rule_judges_the_default_that_a_none_becomes(self, engine: Engine) -> None:
        seen: list[Any] = []

        @rule(Cadet, "strikes")
        def note(change: Change[Cadet]) -> None:
            seen.append(change.new["strikes"])

        with session_with(engine, registry_of(note)) as db:
            db.add_all([Cadet(id=1, strikes=None), cadet := Cadet(id=2, strikes=None)])
            keep_nulls(cadet, ["strikes"])
            db.flush()
            assert db.scalars(select(Cadet.strikes).order_by(Cadet.id)).all() == seen == [3, None]

    def test_the_rest_of_a_row_and_the_default_are_free(self, engine: Engine) -> None:
        @changeable(Person, "rank", "width")
        def nobody(_actor: Identity) -> bool:
            return False

        with session_with(engine, registry_of(nobody)) as db:
            db.add(Person(id=9, name="x", rank=1))
            db.get_one(Person, 2).name = "bert"
            db.get_one(Person, 2).rank = 1  # as it is
            db.delete(db.get_one(Guest, 5))
            db.commit()

    def test_a_bulk_statement_does_not_pass_it_by(self, engine: Engine) -> None:
        with (
            session_with(engine, registry_of(by_the_boss)) as db,
            pytest.raises(UncapturedError, match="has rules"),
        ):
            db.execute(update(Person).values(rank=5))
