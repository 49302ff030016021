"""When channels without publications were kept."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

import trivet.models.types

revision: str = "3b9e6d70c1f4"
down_revision: str | Sequence[str] | None = "e41c9a0d7b52"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.add_column(
        "trivet_channel",
        sa.Column(
            "kept_at",
            trivet.models.types.UtcDateTime(),
            nullable=True,
            comment="It is kept for as long as if it had been published to at this time.",
        ),
    )


def downgrade() -> None:
    op.drop_column("trivet_channel", "kept_at")
