"""The rules: none but the writing itself, so that the house around it is what is measured."""

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from benchmarks.parcels.models import Parcel, QuietParcel
from trivet import Identity
from trivet.errors import NotFound


def get_parcel(db: Session, _actor: Identity, parcel_id: int) -> Parcel:
    """One parcel. Raises NotFound."""
    parcel = db.get(Parcel, parcel_id)
    if parcel is None:
        raise NotFound("no-such-parcel", f"There is no parcel {parcel_id}.")
    return parcel


def wait(db: Session, _actor: Identity, seconds: float) -> bool:
    """Ask PostgreSQL for patience."""
    db.execute(select(func.pg_sleep(seconds)))
    return True


def add_parcel(
    db: Session,
    _actor: Identity,
    kind: type[Parcel] | type[QuietParcel],
    *,
    label: str,
    depot: str,
    grams: int,
    fragile: bool,
) -> Parcel | QuietParcel:
    """Write a parcel down."""
    parcel = kind(label=label, depot=depot, grams=grams, fragile=fragile)
    db.add(parcel)
    db.flush()
    return parcel


def add_arrivals(db: Session, _actor: Identity, depot: str, label: str, count: int) -> int:
    """Write down so many parcels at once."""
    db.add_all(Parcel(label=label, depot=depot, grams=n, fragile=True) for n in range(count))
    db.flush()
    return count
