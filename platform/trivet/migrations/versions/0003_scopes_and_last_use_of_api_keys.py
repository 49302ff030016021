"""Scopes and last use of API keys."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

import trivet.models.types

revision: str = "89a99959a8d7"
down_revision: str | Sequence[str] | None = "f734e686b1d6"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    with op.batch_alter_table("trivet_api_key") as table:
        table.add_column(
            sa.Column(
                "scopes",
                trivet.models.types.JsonDocument(),
                nullable=True,
                comment="Permissions that the key is limited to. Empty: all that its owner has.",
            )
        )
        table.add_column(
            sa.Column(
                "last_used_at",
                trivet.models.types.UtcDateTime(),
                nullable=True,
                comment="Written in batches, so that it may be half a minute behind.",
            )
        )


def downgrade() -> None:
    with op.batch_alter_table("trivet_api_key") as table:
        table.drop_column("last_used_at")
        table.drop_column("scopes")
