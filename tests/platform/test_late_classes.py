"""Rules of foreign keys of a class that came too late for a session to do first what they say."""

from typing import Any

import pytest
from sqlalchemy import Column, ForeignKey, Table, inspect
from sqlalchemy.orm import DeclarativeBase, Mapped, configure_mappers, mapped_column, relationship

from trivet.capture.tables import CaptureReason, faults_of
from trivet.identity.user import User
from trivet.models.views import READ_ONLY

AUDITED = CaptureReason(
    "is audited", "unseen", ", or exempt it", lambda table: table.name != "late_dust"
)


class Base(DeclarativeBase):
    pass


def links(name: str, **rule: Any) -> Table:
    """A table of links between sites and marks; `rule` is of its key to a site."""
    return Table(
        name,
        Base.metadata,
        Column("site_id", ForeignKey("late_site.id", **rule), primary_key=True),
        Column("mark_id", ForeignKey("late_mark.id"), primary_key=True),
    )


CUT = links("late_cut", ondelete="CASCADE")
UNCUT = links("late_uncut", ondelete="CASCADE")
LEFT = links("late_left", ondelete="CASCADE")
RENAMED = links("late_renamed", onupdate="CASCADE")
PLAIN = links("late_plain")
DUST = links("late_dust", ondelete="CASCADE")


def site_key(**rule: Any) -> Any:
    return mapped_column(ForeignKey("late_site.id", **rule))


class Site(Base):
    __tablename__ = "late_site"
    id: Mapped[int] = mapped_column(primary_key=True)
    wells: Mapped[list["Well"]] = relationship(cascade="all, delete-orphan")
    shafts: Mapped[list["Shaft"]] = relationship()
    pits: Mapped[list["Pit"]] = relationship(cascade="all, delete-orphan", passive_deletes=True)
    charts: Mapped[list["Chart"]] = relationship()
    plots: Mapped[list["Plot"]] = relationship(viewonly=True)
    cut: Mapped[list["Mark"]] = relationship(secondary=CUT, back_populates="cut")
    left: Mapped[list["Mark"]] = relationship(
        secondary=LEFT, back_populates="left", passive_deletes=True
    )


class Well(Base):
    """Its site's relationship deletes it."""

    __tablename__ = "late_well"
    id: Mapped[int] = mapped_column(primary_key=True)
    site_id: Mapped[int] = site_key(ondelete="CASCADE")


class Shaft(Base):
    """Its site's relationship does not delete it."""

    __tablename__ = "late_shaft"
    id: Mapped[int] = mapped_column(primary_key=True)
    site_id: Mapped[int] = site_key(ondelete="CASCADE")


class Pit(Base):
    """Its site's relationship leaves it to the database."""

    __tablename__ = "late_pit"
    id: Mapped[int] = mapped_column(primary_key=True)
    site_id: Mapped[int] = site_key(ondelete="CASCADE")


class Chart(Base):
    """Its site's relationship takes the key away, as the rule would."""

    __tablename__ = "late_chart"
    id: Mapped[int] = mapped_column(primary_key=True)
    site_id: Mapped[int | None] = site_key(ondelete="SET NULL")


class Plot(Base):
    """Its site's relationship only looks it up."""

    __tablename__ = "late_plot"
    id: Mapped[int] = mapped_column(primary_key=True)
    site_id: Mapped[int | None] = site_key(ondelete="SET NULL", onupdate="CASCADE")


class Fence(Base):
    """The database refuses to delete its site."""

    __tablename__ = "late_fence"
    id: Mapped[int] = mapped_column(primary_key=True)
    site_id: Mapped[int | None] = site_key()


class Step(Base):
    """It stands on another one."""

    __tablename__ = "late_step"
    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str]
    below_id: Mapped[int | None] = mapped_column(ForeignKey("late_step.id", ondelete="CASCADE"))
    __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "step"}  # noqa: RUF012


class Stair(Step):
    """SQLAlchemy deletes both its rows."""

    __tablename__ = "late_stair"
    id: Mapped[int] = mapped_column(ForeignKey(Step.id, ondelete="CASCADE"), primary_key=True)
    __mapper_args__ = {"polymorphic_identity": "stair"}  # noqa: RUF012


class Badge(Base):
    """Django collects it with its user."""

    __tablename__ = "late_badge"
    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey(User.id, ondelete="CASCADE"))


class Gauge(Base):
    """Other code writes its rows."""

    __tablename__ = "late_gauge"
    __table_args__ = ({"info": {READ_ONLY: True}},)
    id: Mapped[int] = mapped_column(primary_key=True)
    site_id: Mapped[int] = site_key(ondelete="CASCADE")


class Mark(Base):
    __tablename__ = "late_mark"
    id: Mapped[int] = mapped_column(primary_key=True)
    cut: Mapped[list[Site]] = relationship(secondary=CUT, back_populates="cut")
    left: Mapped[list[Site]] = relationship(secondary=LEFT, back_populates="left")
    uncut: Mapped[list[Site]] = relationship(secondary=UNCUT)
    renamed: Mapped[list[Site]] = relationship(secondary=RENAMED)
    plain: Mapped[list[Site]] = relationship(secondary=PLAIN)
    dust: Mapped[list[Site]] = relationship(secondary=DUST)


@pytest.mark.parametrize(
    ("mapped", "said"),
    [
        (Well, []),
        (Shaft, ["Shaft is audited, and its foreign key (site_id) has ON DELETE CASCADE"]),
        (Pit, ["Pit is audited, and its foreign key (site_id) has ON DELETE CASCADE"]),
        (Chart, []),
        (
            Plot,
            [
                "Plot is audited, and its foreign key (site_id) has ON DELETE SET NULL",
                "Plot is audited, and its foreign key (site_id) has ON UPDATE CASCADE",
            ],
        ),
        (Fence, []),
        (Step, ["Step is audited, and its foreign key (below_id) has ON DELETE CASCADE"]),
        (Stair, ["Stair is audited, and its foreign key (below_id) has ON DELETE CASCADE"]),
        (Badge, []),
        (Gauge, []),
        (
            Mark,
            [
                "late_left is audited, and its foreign key (site_id) has ON DELETE CASCADE",
                "late_renamed is audited, and its foreign key (site_id) has ON UPDATE CASCADE",
                "late_uncut is audited, and its foreign key (site_id) has ON DELETE CASCADE",
            ],
        ),
    ],
)
def test_each_rule_that_nobody_does_first_is_named(mapped: type[Base], said: list[str]) -> None:
    configure_mappers()
    assert [each.partition(", by which")[0] for each in faults_of([inspect(mapped)], AUDITED)] == (
        said
    )


@pytest.mark.parametrize(
    ("mapped", "cure"),
    [
        (Shaft, 'Give Site a relationship to Shaft with cascade="all, delete-orphan" and without'),
        (Plot, "Give Site a relationship to Plot with its usual cascade and without"),
        (Plot, "leave it out, because keys do not change, or exempt it."),
        (Mark, "Give Site a relationship with secondary=late_uncut too, without passive_deletes"),
    ],
)
def test_each_sentence_says_its_cure(mapped: type[Base], cure: str) -> None:
    configure_mappers()
    assert cure in " ".join(faults_of([inspect(mapped)], AUDITED))
