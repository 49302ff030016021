"""One table, so that publications come from where they always come from: a flush."""

from sqlalchemy.orm import Mapped, mapped_column

from trivet import Model
from trivet.models.types import BigKey


class Crate(Model):
    """A crate in a dock."""

    __tablename__ = "crates_crate"

    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    dock: Mapped[str]
    label: Mapped[str]
