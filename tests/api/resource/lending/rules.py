"""What is lost is seen by nobody, and does not come back; what is dear is set by the chief."""

from typing import Any

from tests.api.resource.lending.models import State, Theme, Volume
from trivet import Conflict, Identity
from trivet.rules import Change, changeable, rule, visible


@visible(Volume)
def what_is_not_lost(_actor: Identity) -> Any:
    return Volume.state != State.LOST


@visible(Theme, "word")
def words_for_those_who_are_known(actor: Identity) -> bool:
    return actor.is_authenticated


@changeable(Volume, "price")
def prices_by_the_chief(actor: Identity) -> bool:
    return actor.is_superuser


@rule(Volume, "state", on="update")
def nothing_is_ordered_twice(change: Change[Volume]) -> None:
    if change.new["state"] == State.ORDERED:
        raise Conflict("ordered", "It was ordered before.", attributes=["state"])
