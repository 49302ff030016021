from sqlalchemy.orm import Session

from tests.admin.stock.models import Item
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
