"""Tags, publishers and idempotency keys of publications; ids that are never used again."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "7d1f0c52ab38"
down_revision: str | Sequence[str] | None = "c2b1f3a9d604"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

INDEX = "ix_trivet_publication_idempotency_key"
HAS_KEY = sa.text("idempotency_key IS NOT NULL")


def upgrade() -> None:
    # SQLite copies the table, because only a new table can number its rows with AUTOINCREMENT.
    is_sqlite = op.get_context().dialect.name == "sqlite"
    with op.batch_alter_table(
        "trivet_publication",
        recreate="always" if is_sqlite else "never",
        table_kwargs={"sqlite_autoincrement": True},
    ) as table:
        table.add_column(
            sa.Column("tags", sa.Text(), nullable=True, comment="A JSON object of strings.")
        )
        table.add_column(
            sa.Column(
                "publisher",
                sa.Text(),
                nullable=True,
                comment="A JSON object: the client that published it.",
            )
        )
        table.add_column(sa.Column("idempotency_key", sa.String(length=128), nullable=True))
    op.create_index(
        INDEX,
        "trivet_publication",
        ["channel", "idempotency_key"],
        unique=True,
        postgresql_where=HAS_KEY,
        sqlite_where=HAS_KEY,
    )


def downgrade() -> None:
    op.drop_index(INDEX, table_name="trivet_publication")
    with op.batch_alter_table("trivet_publication") as table:
        table.drop_column("idempotency_key")
        table.drop_column("publisher")
        table.drop_column("tags")
