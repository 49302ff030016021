"""Keys of requests, with the answers to them."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

import trivet.models.types

revision: str = "c58d02e7b1a9"
down_revision: str | Sequence[str] | None = "3b9e6d70c1f4"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "trivet_idempotency_key",
        sa.Column("user_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("key", sa.String(length=255), nullable=False),
        sa.Column(
            "fingerprint",
            sa.String(length=64),
            nullable=False,
            comment="A digest of the request that the key was used for.",
        ),
        sa.Column(
            "authority",
            sa.String(length=64),
            nullable=False,
            comment="A digest of what its caller was allowed to do.",
        ),
        sa.Column("request_id", sa.String(length=128), nullable=False),
        sa.Column("created_at", trivet.models.types.UtcDateTime(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("headers", sa.Text(), nullable=False, comment="A JSON list of names and values."),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("user_id", "key", name=op.f("pk_trivet_idempotency_key")),
    )
    op.create_index(
        op.f("ix_trivet_idempotency_key_created_at"), "trivet_idempotency_key", ["created_at"]
    )


def downgrade() -> None:
    op.drop_table("trivet_idempotency_key")
