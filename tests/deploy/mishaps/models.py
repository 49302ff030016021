"""One table, whose names are unique."""

from sqlalchemy.orm import Mapped, mapped_column

from trivet import Model


class Mishap(Model):
    __tablename__ = "mishaps_mishap"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
