"""Channels, publications and API keys."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

import trivet.models.types

revision: str = "5495424b9d0e"
down_revision: str | Sequence[str] | None = None
branch_labels: str | Sequence[str] | None = ("trivet",)
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "trivet_channel",
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("epoch", sa.String(length=16), nullable=False),
        sa.Column("top_offset", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_trivet_channel")),
    )
    op.create_table(
        "trivet_api_key",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column(
            "prefix",
            sa.String(length=16),
            nullable=False,
            comment="The public beginning of the key, by which it is known.",
        ),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("owner_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("label", sa.String(length=100), nullable=False, comment="What the key is for."),
        sa.Column("created_at", trivet.models.types.UtcDateTime(), nullable=False),
        sa.Column(
            "expires_at",
            trivet.models.types.UtcDateTime(),
            nullable=True,
            comment="Empty: the key does not expire.",
        ),
        sa.Column("revoked_at", trivet.models.types.UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ["owner_id"],
            ["accounts_user.id"],
            name=op.f("fk_trivet_api_key_owner_id_accounts_user"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_trivet_api_key")),
        sa.UniqueConstraint("prefix", name=op.f("uq_trivet_api_key_prefix")),
    )
    op.create_index(
        op.f("ix_trivet_api_key_owner_id"), "trivet_api_key", ["owner_id"], unique=False
    )

    op.create_table(
        "trivet_publication",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("channel", sa.String(length=255), nullable=False),
        sa.Column("offset", sa.BigInteger(), nullable=False),
        sa.Column("data", sa.Text(), nullable=False),
        sa.Column("created_at", trivet.models.types.UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["channel"],
            ["trivet_channel.name"],
            name=op.f("fk_trivet_publication_channel_trivet_channel"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_trivet_publication")),
        sa.UniqueConstraint("channel", "offset", name=op.f("uq_trivet_publication_channel_offset")),
    )
    op.create_index(
        op.f("ix_trivet_publication_created_at"), "trivet_publication", ["created_at"], unique=False
    )


def downgrade() -> None:
    op.drop_index(op.f("ix_trivet_publication_created_at"), table_name="trivet_publication")

    op.drop_table("trivet_publication")
    op.drop_index(op.f("ix_trivet_api_key_owner_id"), table_name="trivet_api_key")

    op.drop_table("trivet_api_key")
    op.drop_table("trivet_channel")
