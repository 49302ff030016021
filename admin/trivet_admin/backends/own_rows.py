"""The bounds of Django's own columns: users, groups, and what other Django apps bring.

SQLite takes a name of 500 characters into a column of 150, a NUL, and a number of any width, and
Django asks its validators in forms only. What PostgreSQL would refuse is refused on both, as it is
for mapped classes (`trivet.data.bounds`).
"""

from collections.abc import Iterable
from decimal import Decimal
from functools import cache
from typing import Any

from django.db import models
from sqlalchemy import BigInteger, Float, Integer, Numeric, SmallInteger, String

from trivet.data.fitting import Fit, UnfitError
from trivet.data.fitting.documents import fit_document
from trivet.data.fitting.numbers import fit_decimal, fit_float, fit_whole
from trivet.data.fitting.texts import fit_text
from trivet.errors import Invalid, errors_at
from trivet_admin.errors.to_django import RefusedValueError
from trivet_admin.generic import AnyField


def require_fitting(given: Iterable[tuple[AnyField, Any]], vendor: str) -> None:
    """Raise RefusedValueError, naming every field, if a column cannot hold its value."""
    faults: dict[str, str] = {}
    for field, value in given:
        known = None if value is None else _fit_of(field, vendor)
        if known is None or any(hasattr(value, name) for name in _WORKED_OUT):
            continue
        kinds, fit = known
        prepared = field.get_prep_value(value)
        try:
            # A field of somebody's own may make anything of a value.
            if isinstance(prepared, kinds):
                fit(prepared)
        except UnfitError as unfit:
            faults[field.name] = str(unfit)
    if faults:
        errors = [error for name, why in faults.items() for error in errors_at([name], why)]
        detail = " ".join(f"{name.replace('_', ' ')}: {why}." for name, why in faults.items())
        raise RefusedValueError(
            Invalid("bad-value", detail[:1].upper() + detail[1:], errors=errors)
        )


_WORKED_OUT = ("resolve_expression", "prepare_database_save")
"""The methods of expressions, and of an instance that stands for its key."""


@cache
def _fit_of(field: AnyField, vendor: str) -> tuple[tuple[type[Any], ...], Fit] | None:
    """The fit of a column and the types that it is for, by the field that all foreign keys lead
    to."""
    target: Any = field
    while target.is_relation and getattr(target, "target_field", None) is not None:
        target = target.target_field
    match target:
        case models.CharField() | models.TextField():
            return (str,), fit_text(String(target.max_length))
        case models.BigIntegerField():
            return (int,), fit_whole(BigInteger())
        case models.SmallIntegerField():
            return (int,), fit_whole(SmallInteger())
        case models.IntegerField():
            return (int,), fit_whole(Integer())
        case models.DecimalField():
            return (Decimal,), fit_decimal(
                Numeric(target.max_digits, target.decimal_places), vendor
            )
        case models.FloatField():
            return (float,), fit_float(Float())
        case models.JSONField() if target.encoder is None:
            return (dict, list, str), fit_document
    return None
