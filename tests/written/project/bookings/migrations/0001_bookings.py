"""Bookings."""

from collections.abc import Sequence

import sqlalchemy as sa
import trivet.models.types
from alembic import op

revision: str = "0123456789ab"
down_revision: str | Sequence[str] | None = None
branch_labels: str | Sequence[str] | None = ("bookings",)
depends_on: str | Sequence[str] | None = ["0123456789ab", "0123456789ab"]


def upgrade() -> None:
    op.create_table(
        "bookings_booking",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("title", sa.String(length=200), nullable=False),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("seats", sa.Integer(), nullable=False),
        sa.Column("serial", sa.BigInteger(), nullable=False),
        sa.Column("price", sa.Numeric(precision=8, scale=2), nullable=False),
        sa.Column("ratio", sa.Double(), nullable=False),
        sa.Column("is_paid", sa.Boolean(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("starts_at", trivet.models.types.UtcDateTime(), nullable=False),
        sa.Column("opens_at", trivet.models.types.IsoTime(), nullable=False),
        sa.Column("lasts", trivet.models.types.Microseconds(), nullable=False),
        sa.Column("token", sa.Uuid(), nullable=False),
        sa.Column("extra", trivet.models.types.JsonDocument(), nullable=False),
        sa.Column("code", sa.String(length=12), nullable=False),
        sa.Column(
            "state",
            sa.Enum("open", "sold-out", name="bookingstate", native_enum=False),
            nullable=False,
        ),
        sa.Column(
            "member_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False
        ),
        sa.Column("owner_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("parent_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["member_id"],
            ["members_member.id"],
            name=op.f("fk_bookings_booking_member_id_members_member"),
        ),
        sa.ForeignKeyConstraint(
            ["owner_id"],
            ["accounts_user.id"],
            name=op.f("fk_bookings_booking_owner_id_accounts_user"),
        ),
        sa.ForeignKeyConstraint(
            ["parent_id"],
            ["bookings_booking.id"],
            name=op.f("fk_bookings_booking_parent_id_bookings_booking"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_bookings_booking")),
        sa.UniqueConstraint("token", name=op.f("uq_bookings_booking_token")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("bookings_booking", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_bookings_booking_member_id"), ["member_id"], unique=False
        )
        batch_op.create_index(
            batch_op.f("ix_bookings_booking_owner_id"), ["owner_id"], unique=False
        )
        batch_op.create_index(
            batch_op.f("ix_bookings_booking_parent_id"), ["parent_id"], unique=False
        )
        batch_op.create_index(batch_op.f("ix_bookings_booking_serial"), ["serial"], unique=False)
        batch_op.create_index(
            "uq_bookings_booking_code_if_is_paid",
            ["code"],
            unique=True,
            postgresql_where=sa.text("is_paid IS TRUE"),
            sqlite_where=sa.text("is_paid IS TRUE"),
        )
    op.create_table(
        "bookings_booking_guests",
        sa.Column(
            "booking_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False
        ),
        sa.Column(
            "member_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False
        ),
        sa.ForeignKeyConstraint(
            ["booking_id"],
            ["bookings_booking.id"],
            name=op.f("fk_bookings_booking_guests_booking_id_bookings_booking"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["member_id"],
            ["members_member.id"],
            name=op.f("fk_bookings_booking_guests_member_id_members_member"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("booking_id", "member_id", name=op.f("pk_bookings_booking_guests")),
    )
    with op.batch_alter_table("bookings_booking_guests", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_bookings_booking_guests_member_id"), ["member_id"], unique=False
        )
    op.create_table(
        "bookings_booking_seen_by",
        sa.Column(
            "booking_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False
        ),
        sa.Column("user_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.ForeignKeyConstraint(
            ["booking_id"],
            ["bookings_booking.id"],
            name=op.f("fk_bookings_booking_seen_by_booking_id_bookings_booking"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["user_id"],
            ["accounts_user.id"],
            name=op.f("fk_bookings_booking_seen_by_user_id_accounts_user"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("booking_id", "user_id", name=op.f("pk_bookings_booking_seen_by")),
    )
    with op.batch_alter_table("bookings_booking_seen_by", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_bookings_booking_seen_by_user_id"), ["user_id"], unique=False
        )


def downgrade() -> None:
    with op.batch_alter_table("bookings_booking_seen_by", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_bookings_booking_seen_by_user_id"))
    op.drop_table("bookings_booking_seen_by")
    with op.batch_alter_table("bookings_booking_guests", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_bookings_booking_guests_member_id"))
    op.drop_table("bookings_booking_guests")
    with op.batch_alter_table("bookings_booking", schema=None) as batch_op:
        batch_op.drop_index(
            "uq_bookings_booking_code_if_is_paid",
            postgresql_where=sa.text("is_paid IS TRUE"),
            sqlite_where=sa.text("is_paid IS TRUE"),
        )
        batch_op.drop_index(batch_op.f("ix_bookings_booking_serial"))
        batch_op.drop_index(batch_op.f("ix_bookings_booking_parent_id"))
        batch_op.drop_index(batch_op.f("ix_bookings_booking_owner_id"))
        batch_op.drop_index(batch_op.f("ix_bookings_booking_member_id"))
    op.drop_table("bookings_booking")
