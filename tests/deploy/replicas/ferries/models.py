"""One table."""

from sqlalchemy.orm import Mapped, mapped_column

from trivet import Model
from trivet.models.types import BigKey


class Ferry(Model):
    """A ferry."""

    __tablename__ = "ferries_ferry"

    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
