"""Visits."""

from collections.abc import Sequence

import sqlalchemy as sa
import trivet.models.types
from alembic import op

revision: str = "0123456789ab"
down_revision: str | Sequence[str] | None = "0123456789ab"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "members_visit",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("at", trivet.models.types.UtcDateTime(), nullable=False),
        sa.Column("guest_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("host_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["guest_id"],
            ["members_member.id"],
            name=op.f("fk_members_visit_guest_id_members_member"),
        ),
        sa.ForeignKeyConstraint(
            ["host_id"], ["members_member.id"], name=op.f("fk_members_visit_host_id_members_member")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_members_visit")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("members_visit", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_members_visit_guest_id"), ["guest_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_members_visit_host_id"), ["host_id"], unique=False)


def downgrade() -> None:
    with op.batch_alter_table("members_visit", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_members_visit_host_id"))
        batch_op.drop_index(batch_op.f("ix_members_visit_guest_id"))
    op.drop_table("members_visit")
