"""Airlines, airports, aircraft, flights, and the movements reported about them."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

import trivet.models.types

revision: str = "ef625b75c49e"
down_revision: str | Sequence[str] | None = None
branch_labels: str | Sequence[str] | None = ("departures",)
depends_on: str | Sequence[str] | None = "5495424b9d0e"


def upgrade() -> None:
    op.create_table(
        "departures_aircraft",
        sa.Column("tail_number", sa.String(length=10), nullable=False),
        sa.Column("manufacturer", sa.String(length=60), nullable=False),
        sa.Column("model", sa.String(length=40), nullable=False),
        sa.Column("year", sa.Integer(), nullable=True),
        sa.Column("seats", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint("tail_number", name=op.f("pk_departures_aircraft")),
    )
    op.create_table(
        "departures_airline",
        sa.Column("code", sa.String(length=2), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.PrimaryKeyConstraint("code", name=op.f("pk_departures_airline")),
    )
    op.create_table(
        "departures_airport",
        sa.Column("code", sa.String(length=3), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("city", sa.String(length=40), nullable=False),
        sa.Column("time_zone", sa.String(length=40), nullable=True),
        sa.PrimaryKeyConstraint("code", name=op.f("pk_departures_airport")),
    )
    op.create_table(
        "departures_flight",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("carrier_id", sa.String(length=2), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("origin_id", sa.String(length=3), nullable=False),
        sa.Column("dest_id", sa.String(length=3), nullable=False),
        sa.Column("aircraft_id", sa.String(length=10), nullable=True),
        sa.Column("scheduled_departure", trivet.models.types.UtcDateTime(), nullable=False),
        sa.Column("scheduled_arrival", trivet.models.types.UtcDateTime(), nullable=True),
        sa.Column("actual_departure", trivet.models.types.UtcDateTime(), nullable=True),
        sa.Column("airborne_at", trivet.models.types.UtcDateTime(), nullable=True),
        sa.Column("actual_arrival", trivet.models.types.UtcDateTime(), nullable=True),
        sa.Column(
            "status",
            sa.Enum(
                "scheduled",
                "delayed",
                "off-block",
                "airborne",
                "landed",
                "cancelled",
                name="flightstatus",
                native_enum=False,
                length=16,
            ),
            nullable=False,
        ),
        sa.Column("delay_minutes", sa.Integer(), nullable=False),
        sa.Column("gate", sa.String(length=4), nullable=True),
        sa.Column("reported_at", trivet.models.types.UtcDateTime(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["aircraft_id"],
            ["departures_aircraft.tail_number"],
            name=op.f("fk_departures_flight_aircraft_id_departures_aircraft"),
        ),
        sa.ForeignKeyConstraint(
            ["carrier_id"],
            ["departures_airline.code"],
            name=op.f("fk_departures_flight_carrier_id_departures_airline"),
        ),
        sa.ForeignKeyConstraint(
            ["dest_id"],
            ["departures_airport.code"],
            name=op.f("fk_departures_flight_dest_id_departures_airport"),
        ),
        sa.ForeignKeyConstraint(
            ["origin_id"],
            ["departures_airport.code"],
            name=op.f("fk_departures_flight_origin_id_departures_airport"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_departures_flight")),
        sa.UniqueConstraint(
            "carrier_id",
            "number",
            "scheduled_departure",
            name=op.f("uq_departures_flight_carrier_id_number_scheduled_departure"),
        ),
    )
    with op.batch_alter_table("departures_flight", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_departures_flight_aircraft_id"), ["aircraft_id"], unique=False
        )
        batch_op.create_index(
            "ix_departures_flight_board", ["origin_id", "scheduled_departure"], unique=False
        )
        batch_op.create_index(batch_op.f("ix_departures_flight_dest_id"), ["dest_id"], unique=False)
        batch_op.create_index(
            "ix_departures_flight_order", ["scheduled_departure", "id"], unique=False
        )

    op.create_table(
        "departures_movement",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("sender", sa.String(length=150), nullable=False),
        sa.Column("reference", sa.String(length=64), nullable=False),
        sa.Column(
            "kind",
            sa.Enum(
                "delay",
                "cancelled",
                "off-block",
                "airborne",
                "landed",
                name="movementkind",
                native_enum=False,
                length=16,
            ),
            nullable=False,
        ),
        sa.Column(
            "flight_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False
        ),
        sa.Column("at", trivet.models.types.UtcDateTime(), nullable=False),
        sa.Column("minutes", sa.Integer(), nullable=True),
        sa.Column("recorded_at", trivet.models.types.UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["flight_id"],
            ["departures_flight.id"],
            name=op.f("fk_departures_movement_flight_id_departures_flight"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_departures_movement")),
        sa.UniqueConstraint(
            "sender", "reference", name=op.f("uq_departures_movement_sender_reference")
        ),
    )
    with op.batch_alter_table("departures_movement", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_departures_movement_flight_id"), ["flight_id"], unique=False
        )


def downgrade() -> None:
    with op.batch_alter_table("departures_movement", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_departures_movement_flight_id"))

    op.drop_table("departures_movement")
    with op.batch_alter_table("departures_flight", schema=None) as batch_op:
        batch_op.drop_index("ix_departures_flight_order")
        batch_op.drop_index(batch_op.f("ix_departures_flight_dest_id"))
        batch_op.drop_index("ix_departures_flight_board")
        batch_op.drop_index(batch_op.f("ix_departures_flight_aircraft_id"))

    op.drop_table("departures_flight")
    op.drop_table("departures_airport")
    op.drop_table("departures_airline")
    op.drop_table("departures_aircraft")
