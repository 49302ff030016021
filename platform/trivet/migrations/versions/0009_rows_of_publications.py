"""The rows that publications of live classes tell of, for the rules of visibility."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "8d2f4be1a697"
down_revision: str | Sequence[str] | None = "c58d02e7b1a9"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_COLUMNS = {
    "row_before": "A JSON object: the row before the change; of an update, what it changes.",
    "row_after": "A JSON object: the row after the change.",
}


def upgrade() -> None:
    for name, comment in _COLUMNS.items():
        op.add_column(
            "trivet_publication", sa.Column(name, sa.Text(), nullable=True, comment=comment)
        )


def downgrade() -> None:
    for name in reversed(_COLUMNS):
        op.drop_column("trivet_publication", name)
