"""What may become of a badge."""

from tests.admin.stock.models import Badge
from trivet import Conflict, Invalid
from trivet.rules import Change, rule


@rule(Badge, "level")
def a_level_rises_by_one(change: Change[Badge]) -> None:
    old, new = change.old["level"], change.new["level"]
    if old is not None and new > old + 1:
        raise Invalid("level", f"Level {new} does not follow {old}.", attributes=["level"])


@rule(Badge, on=("update", "delete"))
def a_lost_badge_stays_as_it_is(change: Change[Badge]) -> None:
    if change.old["is_lost"]:
        raise Conflict("lost", "This badge is lost.")


@rule(Badge, "holder", on="update")
def only_a_boss_renames(change: Change[Badge]) -> None:
    if change.actor is None or change.actor.username != "boss":
        raise Conflict("holder", "Only the boss renames.", attributes=["holder"])
