"""Presence of clients in channels, for several processes."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

import trivet.models.types

revision: str = "e41c9a0d7b52"
down_revision: str | Sequence[str] | None = "7d1f0c52ab38"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "trivet_presence_node",
        sa.Column("node", sa.String(length=64), nullable=False),
        sa.Column("expires_at", trivet.models.types.UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("node", name=op.f("pk_trivet_presence_node")),
    )
    op.create_index(
        op.f("ix_trivet_presence_node_expires_at"), "trivet_presence_node", ["expires_at"]
    )
    op.create_table(
        "trivet_presence",
        sa.Column("channel", sa.String(length=255), nullable=False),
        sa.Column("client", sa.String(length=64), nullable=False),
        sa.Column("node", sa.String(length=64), nullable=False),
        sa.Column("info", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["node"],
            ["trivet_presence_node.node"],
            name=op.f("fk_trivet_presence_node_trivet_presence_node"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("channel", "client", name=op.f("pk_trivet_presence")),
    )
    op.create_index(op.f("ix_trivet_presence_node"), "trivet_presence", ["node"])


def downgrade() -> None:
    op.drop_table("trivet_presence")
    op.drop_table("trivet_presence_node")
