from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column, relationship

from tests.admin.borrowed import models
from trivet import Model
from trivet.models.types import BigKey


class Bill(Model):
    __tablename__ = "borrowed_billing_bill"

    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    name: Mapped[str] = mapped_column(String(20))
    copy_of_id: Mapped[int | None] = mapped_column(ForeignKey(models.Bill.id))
    copy_of: Mapped[models.Bill | None] = relationship()
