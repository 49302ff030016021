"""The trail's two tables. Only `trivet.audit.trail` writes them."""

from datetime import datetime

from sqlalchemy import BigInteger, Index, Integer, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from trivet.models.base import Model
from trivet.models.types import BigKey

CHAINS = 16
"""The number of chains: so many transactions can end at once without waiting for a head.
It is part of every entry's id, so it cannot be changed for a trail that exists."""

HASH_CHARACTERS = 64


class AuditChain(Model):
    """The head of a chain: the number of its entries, and the hash of the newest.

    `seal` authenticates both, so that a check notices if the newest entries were cut off.
    """

    __tablename__ = "trivet_audit_chain"
    __table_args__ = ({"info": {"audit": "ignored"}},)

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    length: Mapped[int] = mapped_column(BigInteger)
    hash: Mapped[str] = mapped_column(String(HASH_CHARACTERS))
    seal: Mapped[str] = mapped_column(String(HASH_CHARACTERS))


class AuditEntry(Model):
    """One entry. Its id is its place: ``position * CHAINS + chain``, positions from 1.

    `hash` authenticates everything else in the row, `previous` included, which is the hash
    of the entry before it in its chain.
    """

    __tablename__ = "trivet_audit_entry"
    __table_args__ = (
        Index("ix_trivet_audit_entry_row", "table_name", "row_key"),
        Index("ix_trivet_audit_entry_at", "at"),
        {
            "info": {
                "audit": "ignored",
                "verbose_name_plural": "audit entries",
                # Nobody may add, change or delete an entry, so these permissions do not exist.
                "default_permissions": ("view",),
            }
        },
    )

    id: Mapped[int] = mapped_column(BigKey, primary_key=True, autoincrement=False)
    at: Mapped[datetime]
    actor_id: Mapped[int | None] = mapped_column(BigInteger)
    actor: Mapped[str] = mapped_column(String(150))
    actor_kind: Mapped[str] = mapped_column(String(16))
    credential: Mapped[str] = mapped_column(String(128))
    origin: Mapped[str] = mapped_column(String(128))
    request_id: Mapped[str] = mapped_column(String(128))
    table_name: Mapped[str] = mapped_column(String(128))
    row_key: Mapped[str] = mapped_column(Text)
    kind: Mapped[str] = mapped_column(String(6))
    changes: Mapped[str] = mapped_column(Text)
    previous: Mapped[str] = mapped_column(String(HASH_CHARACTERS))
    hash: Mapped[str] = mapped_column(String(HASH_CHARACTERS))

    def __str__(self) -> str:
        return f"{self.kind} of {self.table_name} {self.row_key}"


def id_of(chain: int, position: int) -> int:
    """The id of the entry at `position` (from 1) of `chain`."""
    return position * CHAINS + chain


def place_of(entry_id: int) -> tuple[int, int]:
    """The chain and the position of an entry."""
    position, chain = divmod(entry_id, CHAINS)
    return chain, position
