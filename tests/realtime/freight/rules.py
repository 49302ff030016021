"""One sees what one sends, what one's crew carries, what is open, and parcels that one handles."""

from typing import Any

from sqlalchemy import and_, or_, select

from tests.realtime.freight.models import (
    Ban,
    Consignment,
    CrewPlace,
    Handler,
    Parcel,
    Stage,
)
from trivet import Identity
from trivet.rules import visible


class Office:
    """Where user 10 sees everything as long as it is open, which nothing tells."""

    is_open = True


@visible(Consignment)
def own_consignments(actor: Identity) -> Any:
    if actor.is_staff or (actor.user_id == 10 and Office.is_open):
        return True
    if actor.user_id is None:
        return False
    if actor.user_id == 666:
        raise ZeroDivisionError("a mistake in a rule")
    crews = select(CrewPlace.crew_id).where(CrewPlace.user_id == actor.user_id)
    carried = select(CrewPlace.user_id).where(
        CrewPlace.crew_id == Consignment.crew_id, CrewPlace.user_id == actor.user_id
    )
    return or_(
        Consignment.sender_id == actor.user_id,
        Consignment.stage == Stage.OPEN,
        carried.exists() if actor.user_id % 2 else Consignment.crew_id.in_(crews),
    )


@visible(Consignment, "margin")
def margins(actor: Identity) -> bool:
    return actor.is_staff


@visible(Parcel)
def handled_parcels(actor: Identity) -> Any:
    is_handler = and_(
        Handler.user_id == actor.user_id,
        Handler.stage == Stage.OPEN,
        Handler.rate > 1,
        or_(Handler.tools.is_(None), Handler.since.is_not(None)),
    )
    banned = select(Ban.id).where(Ban.parcel_id == Parcel.id, Ban.user_id == actor.user_id)
    return Parcel.handlers.any(is_handler) & ~banned.exists()
