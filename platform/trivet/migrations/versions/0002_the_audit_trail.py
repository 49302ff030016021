"""The audit trail."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

import trivet.models.types

revision: str = "f734e686b1d6"
down_revision: str | Sequence[str] | None = "5495424b9d0e"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "trivet_audit_chain",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("length", sa.BigInteger(), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("seal", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_trivet_audit_chain")),
    )
    op.create_table(
        "trivet_audit_entry",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=False,
            nullable=False,
        ),
        sa.Column("at", trivet.models.types.UtcDateTime(), nullable=False),
        sa.Column("actor_id", sa.BigInteger(), nullable=True),
        sa.Column("actor", sa.String(length=150), nullable=False),
        sa.Column("actor_kind", sa.String(length=16), nullable=False),
        sa.Column("credential", sa.String(length=128), nullable=False),
        sa.Column("door", sa.String(length=128), nullable=False),
        sa.Column("request_id", sa.String(length=128), nullable=False),
        sa.Column("table_name", sa.String(length=128), nullable=False),
        sa.Column("row_key", sa.Text(), nullable=False),
        sa.Column("kind", sa.String(length=6), nullable=False),
        sa.Column("changes", sa.Text(), nullable=False),
        sa.Column("previous", sa.String(length=64), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_trivet_audit_entry")),
    )
    op.create_index("ix_trivet_audit_entry_at", "trivet_audit_entry", ["at"])
    op.create_index("ix_trivet_audit_entry_row", "trivet_audit_entry", ["table_name", "row_key"])


def downgrade() -> None:
    op.drop_table("trivet_audit_entry")
    op.drop_table("trivet_audit_chain")
