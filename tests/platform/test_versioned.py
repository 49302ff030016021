"""A class that is `Versioned` counts its versions, whatever else it says to its mapper."""

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Engine, ForeignKey, create_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, declared_attr, mapped_column
from sqlalchemy.orm.exc import StaleDataError

from trivet import Versioned


class Base(DeclarativeBase):
    pass


class Plain(Versioned, Base):
    __tablename__ = "versioned_plain"
    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str | None]
    name: Mapped[str | None]


class Animal(Versioned, Base):
    __tablename__ = "versioned_animal"
    __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "animal"}  # noqa: RUF012  # SQLAlchemy's
    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str | None]
    name: Mapped[str | None]


class Cat(Animal):
    __tablename__ = "versioned_cat"
    __mapper_args__ = {"polymorphic_identity": "cat"}  # noqa: RUF012  # as above
    id: Mapped[int] = mapped_column(ForeignKey(Animal.id), primary_key=True)


class Eager(Base, Versioned):
    __tablename__ = "versioned_eager"
    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str | None]
    name: Mapped[str | None]

    @declared_attr.directive
    def __mapper_args__(cls) -> dict[str, Any]:  # noqa: N805  # a declared_attr takes the class
        return {"eager_defaults": True}


class Own(Versioned, Base):
    """It counts by a column of its own."""

    __tablename__ = "versioned_own"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str | None]
    edition: Mapped[int] = mapped_column()
    version: Mapped[int] = mapped_column(default=0)
    __mapper_args__ = {"version_id_col": edition}  # noqa: RUF012  # as above


@pytest.fixture
def engine(empty_database_url: str) -> Iterator[Engine]:
    engine = create_engine(empty_database_url.replace("postgresql://", "postgresql+psycopg://"))
    Base.metadata.create_all(engine)
    yield engine
    engine.dispose()


@pytest.mark.parametrize("model", [Plain, Animal, Cat, Eager])
def test_what_a_class_says_to_its_mapper_takes_no_version_away(
    engine: Engine, model: type[Any]
) -> None:
    with Session(engine) as session:
        session.add(model(id=1))
        session.commit()
        session.get_one(model, 1).name = "early"
        with Session(engine) as other:
            late = other.get_one(model, 1)
            session.commit()
            late.name = "late"
            with pytest.raises(StaleDataError):
                other.flush()
        assert session.get_one(model, 1).version == 2


def test_a_version_of_ones_own_is_the_one_that_counts(engine: Engine) -> None:
    with Session(engine) as session:
        row = Own(id=1)
        session.add(row)
        session.commit()
        row.name = "other"
        session.commit()
        assert (row.edition, row.version) == (2, 0)
