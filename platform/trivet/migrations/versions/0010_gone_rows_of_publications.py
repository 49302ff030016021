"""The rows that went with those that publications of live classes tell of."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "b3e07a91d5c2"
down_revision: str | Sequence[str] | None = "8d2f4be1a697"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.add_column(
        "trivet_publication",
        sa.Column(
            "rows_gone",
            sa.Text(),
            nullable=True,
            comment="A JSON object: the rows that its transaction deleted, by their tables.",
        ),
    )


def downgrade() -> None:
    op.drop_column("trivet_publication", "rows_gone")
