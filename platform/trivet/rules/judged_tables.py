"""The tables that have rules; `trivet.capture.tables` guards them."""

from collections.abc import Iterable
from typing import Any

from sqlalchemy.orm import configure_mappers

from trivet.capture.tables import CaptureReason, faults_of
from trivet.errors import ConfigurationError
from trivet.events.fed_tables import FedTables, family_of

_JUDGED = CaptureReason("has rules of change", "that no rule judges")


class JudgedTables(FedTables):
    """The tables of `models`, as for feeds."""


def require_judged(models: Iterable[type[Any]]) -> None:
    """Raise ConfigurationError, naming every case, where the database would change rows of
    `models` by itself and no rule would be asked."""
    configure_mappers()  # only then do relationships know each other
    faults = faults_of(family_of(models), _JUDGED)
    if faults:
        raise ConfigurationError("unjudged", " ".join(faults))
