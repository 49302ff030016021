"""What was said, so that what clients publish is a row like everything else."""

from sqlalchemy.orm import Mapped, mapped_column

from trivet import Model
from trivet.models.types import BigKey


class Remark(Model):
    """Something said in a room."""

    __tablename__ = "lounge_remark"

    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    room: Mapped[str]
    text: Mapped[str]
    author_id: Mapped[int | None]
