from sqlalchemy import Column, ForeignKey, String, Table
from sqlalchemy.orm import Mapped, mapped_column, relationship

from trivet import Model


class Ballot(Model):
    __tablename__ = "live_ballot"

    id: Mapped[int] = mapped_column(primary_key=True)
    question: Mapped[int]
    voter: Mapped[str] = mapped_column(String(150))


class Station(Model):
    __tablename__ = "live_station"

    id: Mapped[int] = mapped_column(primary_key=True)
    is_open: Mapped[bool]


watch_others = Table(
    "live_watch_others",
    Model.metadata,
    Column("watch_id", ForeignKey("live_watch.id", ondelete="CASCADE"), primary_key=True),
    Column("station_id", ForeignKey("live_station.id"), primary_key=True),
)


class Watch(Model):
    __tablename__ = "live_watch"

    id: Mapped[int] = mapped_column(primary_key=True)
    station_id: Mapped[int] = mapped_column(ForeignKey("live_station.id"))
    station: Mapped[Station] = relationship()
    others: Mapped[list[Station]] = relationship(secondary=watch_others)
