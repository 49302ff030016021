"""Two tables of the same shape; only the first feeds channels (`events`)."""

from sqlalchemy import Integer, String
from sqlalchemy.orm import Mapped, mapped_column

from trivet import Model
from trivet.models.types import BigKey


class Parcel(Model):
    """A parcel. Whoever watches its depot hears of it."""

    __tablename__ = "parcels_parcel"

    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    label: Mapped[str] = mapped_column(String(80))
    depot: Mapped[str] = mapped_column(String(20))
    grams: Mapped[int] = mapped_column(Integer)
    fragile: Mapped[bool]


class QuietParcel(Model):
    """A parcel of which nobody hears."""

    __tablename__ = "parcels_quiet"

    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    label: Mapped[str] = mapped_column(String(80))
    depot: Mapped[str] = mapped_column(String(20))
    grams: Mapped[int] = mapped_column(Integer)
    fragile: Mapped[bool]
