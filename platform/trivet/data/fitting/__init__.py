"""The form in which a column holds a value, and why it cannot hold one.

What a database would refuse, cut or round, and what another reader could not read, is told from
the column's type before anything is sent: the same for every kind of database, because a feature
that was tested on one is run on another. `fit_of` makes the function for a column,
`trivet.data.bounds` asks it in the flush.
"""

from typing import Any

from sqlalchemy import Column

from trivet.data.fitting.fit import Fit, UnfitError
from trivet.data.fitting.types import fit_of, fit_of_column

__all__ = ["Fit", "UnfitError", "fit_of", "fit_of_column", "why_unfit"]


def why_unfit(column: "Column[Any]", value: Any, dialect: Any) -> str | None:
    """A sentence for what keeps `value` from `column`; None if it fits, as far as can be told."""
    fit = None if value is None else fit_of_column(column, dialect)
    try:
        if fit is not None:
            fit(value)
    except UnfitError as unfit:
        return str(unfit)
    return None
