"""A sub-select in a sub-select that does not mean the row that it seems to mean is found."""

from typing import Any

import pytest
from sqlalchemy import ForeignKey, create_engine, exists, func, insert, select
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, relationship

from trivet.rules.correlation import find_uncorrelated


class Base(DeclarativeBase):
    pass


class Ship(Base):
    __tablename__ = "ship"

    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str]
    __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "ship"}  # noqa: RUF012  # SQLAlchemy's own way


class Tanker(Ship):
    __tablename__ = "tanker"

    id: Mapped[int] = mapped_column(ForeignKey(Ship.id), primary_key=True)
    tons: Mapped[int]
    __mapper_args__ = {"polymorphic_identity": "tanker"}  # noqa: RUF012  # as SQLAlchemy reads it


class Voyage(Base):
    __tablename__ = "voyage"

    id: Mapped[int] = mapped_column(primary_key=True)
    ship_id: Mapped[int] = mapped_column(ForeignKey(Ship.id))
    ship: Mapped[Ship] = relationship()


class Cargo(Base):
    __tablename__ = "cargo"

    id: Mapped[int] = mapped_column(primary_key=True)
    voyage_id: Mapped[int] = mapped_column(ForeignKey(Voyage.id))
    owner: Mapped[int]
    voyage: Mapped[Voyage] = relationship()


OF_SHIP = exists().where(Cargo.voyage_id == Voyage.id, Cargo.owner == Ship.id)
OF_TANKER = exists().where(Cargo.owner == Tanker.tons)


@pytest.mark.parametrize(
    ("mapped", "condition", "tables"),
    [
        (Ship, exists().where(Voyage.id > 0, OF_SHIP), ["ship"]),
        (Ship, exists().where(Voyage.ship_id == Ship.id, OF_SHIP), ["ship"]),
        (
            Ship,
            select(Voyage.id).where(select(1).where(OF_SHIP).exists()).exists(),
            ["ship", "voyage"],
        ),
        (Tanker, exists().where(Voyage.ship_id == Tanker.id, OF_TANKER), ["tanker"]),
        (
            Ship,
            Ship.id.in_(
                select(Voyage.ship_id).where(
                    Voyage.id.in_(select(Cargo.voyage_id).where(Cargo.owner == Ship.id))
                )
            ),
            ["ship"],
        ),
        (
            Voyage,
            Voyage.ship.has(Ship.id.in_(select(Cargo.owner).where(Cargo.voyage_id == Voyage.id))),
            ["voyage"],
        ),
        # What means what it says.
        (Ship, Ship.id == 7, []),
        (Ship, exists().where(Voyage.ship_id == Ship.id), []),
        (Tanker, exists().where(Voyage.ship_id == Tanker.id), []),
        (Ship, exists().where(Voyage.id > 0, OF_SHIP.correlate(Ship, Voyage)), []),
        (Ship, exists().where(Voyage.id > 0, OF_SHIP.correlate_except(Cargo)), []),
        (Tanker, exists().where(Voyage.id > 0, OF_TANKER.correlate(Tanker)), []),
        (
            Ship,
            exists(
                select(1)
                .select_from(Voyage)
                .where(exists(select(1).select_from(Ship).where(Ship.kind == "tanker")))
            ),
            [],
        ),
        (Cargo, Cargo.voyage.has(Voyage.ship.has(Ship.kind == "tanker")), []),
        (Ship, Ship.id.in_(select(Ship.id).where(exists().where(Voyage.ship_id == Ship.id))), []),
        (
            Ship,
            Ship.id.in_(
                select(Voyage.ship_id).where(
                    Voyage.id.in_(select(Cargo.voyage_id).join(Voyage).join(Ship))
                )
            ),
            [],
        ),
    ],
)
def test_a_table_that_is_read_as_a_whole_is_named(
    mapped: type[Any], condition: Any, tables: list[str]
) -> None:
    assert list(dict.fromkeys(find_uncorrelated(mapped, condition))) == tables


def test_such_a_condition_is_true_of_rows_of_which_it_should_not_be() -> None:
    """What SQLAlchemy does with it: if that changes, the finding has no reason any more."""
    engine = create_engine("sqlite://")
    Base.metadata.create_all(engine)
    loose = exists().where(Voyage.id > 0, OF_SHIP)
    meant = exists().where(Voyage.id > 0, OF_SHIP.correlate(Ship, Voyage))
    with Session(engine) as db:
        db.execute(insert(Ship), [{"id": 1, "kind": "ship"}, {"id": 2, "kind": "ship"}])
        db.add_all([Voyage(id=1, ship_id=1), Cargo(id=1, voyage_id=1, owner=2)])
        db.flush()

        def count(condition: Any) -> Any:
            return db.scalar(select(func.count()).select_from(Ship).where(condition))

        assert (count(loose), count(meant)) == (2, 1)
    engine.dispose()
