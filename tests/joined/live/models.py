from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from trivet import Model


class Ballot(Model):
    __tablename__ = "live_ballot"

    id: Mapped[int] = mapped_column(primary_key=True)
    question: Mapped[int]
    voter: Mapped[str] = mapped_column(String(150))
