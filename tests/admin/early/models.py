from sqlalchemy.orm import Mapped, mapped_column

from trivet import Model


class Bird(Model):
    __tablename__ = "early_bird"

    id: Mapped[int] = mapped_column(primary_key=True)
