from collections.abc import Mapping
from typing import Any

from sqlalchemy.orm import Session

from tests.admin.stock.models import Badge, Item
from trivet import Conflict
from trivet.identity import Identity, require_permission


def take_out(db: Session, actor: Identity, item_id: int, quantity: int) -> Item:
    """Take `quantity` out of the stock. Raises Conflict if there is less."""
    require_permission(actor, "stock.change_item")
    item = db.get_one(Item, item_id)
    item.quantity -= quantity
    db.flush() if item.quantity >= 0 else None
    if item.quantity < 0:
        raise Conflict("too-few", f"There are too few of {item.name}.")
    return item


def issue_badge(db: Session, actor: Identity, values: Mapping[str, Any]) -> Badge:
    """A badge for a holder, in capitals. Raises Conflict for nobody."""
    holder = values["holder"]
    if holder == "Nobody":
        raise Conflict("nobody", "Nobody gets no badge.", attributes=["holder"])
    given = {**values, "holder": holder.title()}
    badge = Badge(**given, history=f"issued by {actor.username}")
    db.add(badge)
    return badge


def change_badge(db: Session, actor: Identity, key: int, changes: Mapping[str, Any]) -> Badge:
    badge = db.get_one(Badge, key)
    for name, value in changes.items():
        setattr(badge, name, value)
    badge.history += f", changed by {actor.username}: {', '.join(sorted(changes))}"
    return badge


def withdraw_badge(db: Session, _actor: Identity, key: int) -> None:
    badge = db.get_one(Badge, key)
    if badge.level > 2:
        raise Conflict("high", "A badge of a high level is not withdrawn.")
    db.delete(badge)
