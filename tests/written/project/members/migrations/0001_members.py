"""Members."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0123456789ab"
down_revision: str | Sequence[str] | None = None
branch_labels: str | Sequence[str] | None = ("members",)
depends_on: str | Sequence[str] | None = "0123456789ab"


def upgrade() -> None:
    op.create_table(
        "members_member",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column(
            "level",
            sa.Enum("junior", "senior", name="memberlevel", native_enum=False),
            nullable=False,
        ),
        sa.Column("joined_on", sa.Date(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_members_member")),
        sa.UniqueConstraint("name", name=op.f("uq_members_member_name")),
        sqlite_autoincrement=True,
    )


def downgrade() -> None:
    op.drop_table("members_member")
