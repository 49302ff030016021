"""On a base of their own, so that no other test makes these tables."""

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship


class Base(DeclarativeBase):
    pass


class Poet(Base):
    __tablename__ = "recital_poet"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(20))
    phone: Mapped[str] = mapped_column(String(20))


class Critic(Base):
    """One that has no address of its own."""

    __tablename__ = "recital_critic"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(20))
    poet_id: Mapped[int | None] = mapped_column(ForeignKey(Poet.id))
    poet: Mapped[Poet | None] = relationship()


class Poem(Base):
    __tablename__ = "recital_poem"
    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str] = mapped_column(String(20))
    poet_id: Mapped[int] = mapped_column(ForeignKey(Poet.id))
    critic_id: Mapped[int] = mapped_column(ForeignKey(Critic.id))
    poet: Mapped[Poet] = relationship()
    critic: Mapped[Critic] = relationship()


class Draft(Base):
    __tablename__ = "recital_draft"
    id: Mapped[int] = mapped_column(primary_key=True)
    critic_id: Mapped[int] = mapped_column(ForeignKey(Critic.id))
    critic: Mapped[Critic] = relationship()
