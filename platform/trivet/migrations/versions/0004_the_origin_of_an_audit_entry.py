"""The audit trail's column ``door`` becomes ``origin``."""

from collections.abc import Sequence

from alembic import op

revision: str = "c2b1f3a9d604"
down_revision: str | Sequence[str] | None = "89a99959a8d7"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    # Both databases know the statement; Alembic's own way would copy the table on SQLite.
    op.execute("ALTER TABLE trivet_audit_entry RENAME COLUMN door TO origin")


def downgrade() -> None:
    op.execute("ALTER TABLE trivet_audit_entry RENAME COLUMN origin TO door")
