"""The tables that have rules; `trivet.capture.tables` guards them."""

from collections.abc import Iterable
from typing import Any

from sqlalchemy.orm import configure_mappers

from trivet.capture.following import follow
from trivet.capture.tables import CaptureReason
from trivet.events.fed_tables import FedTables, family_of

_JUDGED = CaptureReason("has rules of change", "that no rule judges")


class JudgedTables(FedTables):
    """The tables of `models`, as for feeds."""


def follow_judged(models: Iterable[type[Any]]) -> None:
    """Have sessions do first what the database would do to rows of `models` by itself, so that
    their rules are asked."""
    configure_mappers()  # only then do relationships know each other
    follow(family_of(models), _JUDGED)
