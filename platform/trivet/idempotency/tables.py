"""The table of keys, each with its request and the answer to it."""

from datetime import datetime

from sqlalchemy import BigInteger, Integer, LargeBinary, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from trivet.idempotency.header import LONGEST
from trivet.models.base import Model

DIGEST_CHARACTERS = 64
"""SHA-256 in hexadecimal digits."""


class IdempotencyKey(Model):
    """One key of one user. A committed row always has its answer: it is completed by the last
    statement of the transaction that makes it.

    The user's id is no foreign key, because a row outlives its user by hours at most, and a
    reference would lock the user's row for as long as the request runs.
    """

    __tablename__ = "trivet_idempotency_key"
    __table_args__ = ({"info": {"audit": "ignored"}},)

    user_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    key: Mapped[str] = mapped_column(String(LONGEST), primary_key=True)
    fingerprint: Mapped[str] = mapped_column(
        String(DIGEST_CHARACTERS), comment="A digest of the request that the key was used for."
    )
    authority: Mapped[str] = mapped_column(
        String(DIGEST_CHARACTERS), comment="A digest of what its caller was allowed to do."
    )
    request_id: Mapped[str] = mapped_column(String(128))
    created_at: Mapped[datetime] = mapped_column(index=True)
    status: Mapped[int] = mapped_column(Integer)
    headers: Mapped[str] = mapped_column(Text, comment="A JSON list of names and values.")
    body: Mapped[bytes] = mapped_column(LargeBinary)
