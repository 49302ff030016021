"""One table, so that publications come from where they always come from: a flush."""

from sqlalchemy.orm import Mapped, mapped_column

from trivet import Model
from trivet.models.types import BigKey


class Beacon(Model):
    """A beacon in a harbour."""

    __tablename__ = "beacons_beacon"

    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    harbour: Mapped[str]
    label: Mapped[str]
